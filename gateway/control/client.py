"""The client of a running daemon's local socket.

Promises
- Whatever listens there, an answer takes bounded time and memory: what is none of andon's raises
  NotAndon.
"""

import asyncio
import errno
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from gateway.api.contracts import AndonError

TIMEOUT_S = 5.0
AGAIN_S = 0.05
SILENT_S = 15.0
"""A daemon whose stream is silent for so long is gone: it sends an empty row every 5 s."""
_BUSY = (errno.EAGAIN, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE)
"""A queue that is full, or a connection that made room for another."""
MOST_BYTES = 2**24
"""Bytes of one answer, and of one row of a stream; the status of 10,000 tags takes 3 MB."""


class ControlError(AndonError):
    """The daemon answered with an error: its status code, and its sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotAndon(AndonError):  # noqa: N818 - a state of the world, not a fault of ours
    """What listens at the socket does not answer as a daemon does."""


async def request(socket: Path, path: str = "/status", body: Any = None) -> Any:
    """The daemon's answer as plain data; None if no daemon answers.

    A `body` makes it a POST. A question without one is asked again while the daemon closes the
    connection, as it does under a flood of them. Raises ControlError and NotAndon.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return await _asked(socket, path, body)
        except aiohttp.ClientResponseError as error:
            raise _not_andon(socket, str(error.message)) from error
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            if body is not None or not _may_pass(error) or time.monotonic() > deadline:
                return None
        await asyncio.sleep(AGAIN_S)


def _may_pass(error: Exception) -> bool:
    """Whether a daemon is there that was too busy, rather than none."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return True
    return isinstance(error, OSError) and error.errno in _BUSY


async def _asked(socket: Path, path: str, body: Any) -> Any:
    method = "GET" if body is None else "POST"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        _session(socket, timeout) as session,
        session.request(
            method, f"http://andon{path}", json=body, allow_redirects=False
        ) as response,
    ):
        return await _facts(response, socket)


async def subscribe(
    socket: Path, path: str, query: Mapping[str, str]
) -> AsyncIterator[Sequence[Any]]:
    """JSON facts as they come, at first none; ends with the daemon.

    Yields nothing at all if no daemon answers. Raises ControlError and NotAndon.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=SILENT_S)
    try:
        async with (
            _session(socket, timeout) as session,
            session.get(f"http://andon{path}", params=query, allow_redirects=False) as response,
        ):
            if response.status != 200:
                async with asyncio.timeout(TIMEOUT_S):
                    await _facts(response, socket)
            yield []
            rest = b""
            async for chunk in response.content.iter_any():
                *rows, rest = (rest + chunk).split(b"\n")
                if len(rest) > MOST_BYTES:
                    raise _not_andon(socket, f"a row of more than {MOST_BYTES:,} bytes")
                yield [_decoded(row, socket) for row in rows if row]
    except aiohttp.ClientResponseError as error:
        raise _not_andon(socket, str(error.message)) from error
    except (OSError, aiohttp.ClientError, TimeoutError):
        return


async def _facts(response: aiohttp.ClientResponse, socket: Path) -> Any:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MOST_BYTES:
            raise _not_andon(socket, f"more than {MOST_BYTES:,} bytes")
    facts = _decoded(bytes(content), socket)
    if response.status == 200:
        if facts is None:
            # Which would mean that no daemon answers.
            raise _not_andon(socket, "null")
        return facts
    if not (isinstance(facts, dict) and isinstance(facts.get("error"), str)):
        raise _not_andon(socket, f"status {response.status} without a reason")
    raise ControlError(response.status, facts["error"][:1000])


def _decoded(content: bytes, socket: Path) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError, MemoryError) as error:
        raise _not_andon(socket, f"no JSON: {error}") from error


def _not_andon(socket: Path, what: str) -> NotAndon:
    words = " ".join(what.split())[:200]
    return NotAndon(f"what listens at {socket} does not answer as andon does: {words}")


def _session(socket: Path, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(socket)),
        timeout=timeout,
        # A daemon compresses nothing; a little that becomes much would be harm.
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
    )
