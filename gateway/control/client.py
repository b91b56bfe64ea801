"""The client of a running daemon's local socket."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from gateway.api.contracts import AndonError

TIMEOUT_S = 5.0


class ControlError(AndonError):
    """The daemon answered with an error: its status code, and its sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def request(socket: Path, path: str = "/status", body: Any = None) -> Any:
    """The daemon's answer as plain data; None if no daemon answers. Raises ControlError.

    A `body` makes it a POST.
    """
    method = "GET" if body is None else "POST"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            _session(socket, timeout) as session,
            session.request(method, f"http://andon{path}", json=body) as response,
        ):
            facts = await response.json()
            if response.status >= 400:
                raise ControlError(response.status, str(facts.get("error", response.reason)))
            return facts
    except (OSError, aiohttp.ClientError, TimeoutError):
        return None


async def subscribe(
    socket: Path, path: str, query: Mapping[str, str]
) -> AsyncIterator[Sequence[Any]]:
    """JSON facts as they come, at first none; ends with the daemon. Raises ControlError.

    Yields nothing at all if no daemon answers.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S)
    with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
        async with (
            _session(socket, timeout) as session,
            session.get(f"http://andon{path}", params=query) as response,
        ):
            if response.status >= 400:
                facts = await response.json()
                raise ControlError(response.status, str(facts.get("error", response.reason)))
            yield []
            rest = b""
            async for chunk in response.content.iter_any():
                *rows, rest = (rest + chunk).split(b"\n")
                yield [json.loads(row) for row in rows if row]


def _session(socket: Path, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout)
