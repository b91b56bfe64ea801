"""`andon run LINE.yaml`: the daemon."""

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.api.contracts import AndonError, ConfigError, Fatal, ModelError
from gateway.api.masking import mask
from gateway.api.visible import LINES, visible

_M_ARENA_MAX = -8
EX_CONFIG = 78
"""sysexits.h: the unit does not restart on it (RestartPreventExitStatus=78)."""
EX_IOERR = 74
"""sysexits.h: something that may be gone by itself, as a full disk; the unit restarts."""
SHORTEST_S = 32.0
"""Ten such ends within 300 s would be the unit's last (StartLimitBurst): each takes this long."""


@click.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--log-format",
    type=click.Choice(["journal", "console", "json"]),
    help="Log format; default: chosen by what stderr is connected to.",
)
def command(file: Path, log_format: str | None) -> None:
    """Run the line of FILE until it is stopped.

    SIGTERM and Ctrl-C stop it politely. SIGHUP is ignored: there is no reload yet. Exit code 78 if
    the file, or a model that it names, is wrong; 74 for what may be gone by itself: a disk that is
    full or fails, a port in use, a file on a mount that is not there yet. Under systemd that end
    comes half a minute after the start at the earliest, so that it is tried again for ever.
    """
    from gateway.api import event_loop

    started = time.monotonic()
    _share_memory()
    code = 0
    try:
        event_loop.run(_run(file, log_format), answer_within=event_loop.ANSWER_S)
    except* (ConfigError, ModelError) as group:
        wrong = _say(group)
        code = EX_IOERR if any(error.may_pass for error in wrong) else EX_CONFIG
    except* Fatal as group:
        _say(group)
        code = code or EX_IOERR
    if code == EX_IOERR:
        _wait_to_be_started_again(started)
    if code:
        sys.exit(code)


def _wait_to_be_started_again(started: float) -> None:
    """Spends the rest of SHORTEST_S where a service manager waits; SIGTERM ends it at once."""
    from gateway.telemetry.systemd import notify

    if notify("STATUS=it cannot start just now, and is started again soon; the journal says why"):
        time.sleep(max(started + SHORTEST_S - time.monotonic(), 0))


def _say(group: BaseExceptionGroup[AndonError]) -> list[AndonError]:
    """Says each error of the group, and returns them."""
    errors = list(_flat(group))
    for error in errors:
        click.echo(visible(mask(str(error)), LINES), err=True)
    return errors


def _flat(group: BaseExceptionGroup[AndonError]) -> Iterator[AndonError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error


def _share_memory() -> None:
    """Has all threads allocate from two pools; glibc reserves 64 MB of addresses for each of 16.

    Where addresses are limited, a library could not be loaded any more.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


async def _run(file: Path, log_format: str | None) -> None:
    from gateway.config.load import load
    from gateway.telemetry import logs, signals

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    signals.stop_early(task.cancel)
    try:
        # In a thread: a file that takes long must not delay a signal until it is read.
        config = await asyncio.to_thread(load, file)
    except asyncio.CancelledError:
        return
    logs.configure(config.line, log_format)
    # One ONNX thread and a little numpy: more threads would only occupy cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from gateway.app import run

    await run(config)
