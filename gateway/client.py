"""Asks a running daemon over its local socket."""

from pathlib import Path
from typing import Any

import aiohttp


async def ask(socket: Path, path: str = "/status") -> Any:
    """The daemon's answer as plain data; None when nobody answers."""
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(f"http://andon{path}") as answer,
        ):
            return await answer.json()
    except (OSError, aiohttp.ClientError, TimeoutError):
        return None
