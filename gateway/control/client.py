"""Asks a running daemon over its local socket."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
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


async def listen(socket: Path, path: str, query: Mapping[str, str]) -> AsyncIterator[Sequence[Any]]:
    """What the daemon tells, some JSON facts at a time, at first none; ends when it does.

    Nothing at all where nobody answers.
    """
    connector = aiohttp.UnixConnector(str(socket))
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(f"http://andon{path}", params=query) as answer,
        ):
            answer.raise_for_status()
            yield []
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                yield [json.loads(line) for line in lines if line]
