"""Asks a running daemon over its local socket."""

from pathlib import Path
from typing import Any

import aiohttp


async def ask(socket: Path, path: str = "/status", tell: Any = None) -> Any:
    """The daemon's answer as plain data; None when nobody answers.

    With `tell` it is told that, instead of asked.
    """
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(
                "GET" if tell is None else "POST", f"http://andon{path}", json=tell
            ) as answer,
        ):
            return await answer.json()
    except (OSError, aiohttp.ClientError, TimeoutError):
        return None
