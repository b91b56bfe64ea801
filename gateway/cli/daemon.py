"""Reaches the running daemon of a line file over its local socket."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click


def ask(file: Path, path: str = "/status", body: Any = None) -> Any:
    """The answer of the daemon that runs this line file; exit code 1 if none answers.

    Raises ControlError for what the daemon refuses.
    """
    facts = asyncio.run(_ask(file, path, body))
    if facts is None:
        click.echo(f"no daemon answers: is `andon run {file}` running?", err=True)
        sys.exit(1)
    return facts


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
