"""Reaches the running daemon of a line file over its local socket.

Promises
- What answers may be a daemon of another version, or no daemon: that is a sentence, no traceback.
- Its texts do not steer the terminal (gateway/api/visible.py).
"""

import asyncio
import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.api.visible import shown

_OTHERWISE = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What comes of a field that is missing, or of another type or size."""


def ask(file: Path, path: str = "/status", body: Any = None, *, exact: bool = False) -> Any:
    """The answer of the daemon that runs this line file; exit code 1 if none answers.

    Control characters in its texts are made visible, unless it is wanted `exact`. Raises
    ControlError for what the daemon refuses.
    """
    facts = asyncio.run(_ask(file, path, body))
    if facts is None:
        click.echo(f"no daemon answers: is `andon run {file}` running?", err=True)
        sys.exit(1)
    with understood():
        return facts if exact else shown(facts)


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Turns an answer that lacks something, or has it otherwise, into a sentence."""
    try:
        yield
    except OSError as error:
        # Which the C library says of a time that no calendar has.
        if error.errno not in (errno.EOVERFLOW, errno.EINVAL):
            raise
        raise _not_understood(error) from error
    except _OTHERWISE as error:
        raise _not_understood(error) from error


def _not_understood(error: Exception) -> click.ClickException:
    why = shown(f"{type(error).__name__}: {error}"[:200])
    return click.ClickException(
        f"the daemon does not answer as this version of andon expects ({why}): is it of another "
        "version?"
    )


async def _ask(file: Path, path: str, body: Any) -> Any:
    from gateway.config.load import load
    from gateway.config.state import state_folders
    from gateway.control.client import request
    from gateway.control.server import SOCKET

    config = load(file)
    for folder in state_folders(config):
        facts = await request(folder / SOCKET, path, body)
        if facts is not None:
            return facts
    return None
