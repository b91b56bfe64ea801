"""An HTTP server that reads each request and answers with any bytes at all."""

import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def raw(*pieces: bytes, pause: float = 0.0) -> Answer:
    """These bytes and the end of the connection."""

    async def send(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return send


def reply(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A response with its length, in one piece."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *lines, "", ""])
    return raw(head.encode() + body)


def endless(status: int, piece: bytes, pause: float = 0.0) -> Answer:
    """A body without an end."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n".encode())
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return send


def bomb(status: int, size: int) -> Answer:
    """A small body of gzip that is `size` bytes long when it is opened."""
    part = gzip.compress(bytes(1_000_000))
    return reply(status, part * (size // 1_000_000), Content_Encoding="gzip")


def brackets(status: int, count: int) -> Answer:
    """JSON that is nested too deeply to be read."""
    return reply(status, b"[" * count, Content_Type="application/json")


def error(status: int, **content: object) -> Answer:
    """A JSON body."""
    return reply(status, json.dumps(content).encode(), Content_Type="application/json")


def asked(answer: Answer) -> Callable[..., Awaitable[None]]:
    """What a connection does: it takes a request, and then answers it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request(reader)
        await answer(writer)

    return talk


async def _request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)


@contextlib.asynccontextmanager
async def serving(next_answer: Callable[[], Answer]) -> AsyncIterator[int]:
    """The port of a server that asks for one answer after the other."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await _request(reader)
            await next_answer()(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
