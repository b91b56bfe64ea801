"""A TCP proxy on loopback that breaks connections in the ways in which they break in a plant.

Bytes are held back, never taken out of the middle of a stream: TCP sends again what a bad link
swallowed, so what a connection outlives arrives late and whole. Only `change` falsifies.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Self

Change = Callable[[bytes], bytes]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_PIECE_PAUSE_S = 0.001
_LOOK_S = 0.05


@dataclass
class _End:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def is_open(self) -> bool:
        return not self.writer.is_closing()

    def reset(self) -> None:
        """End with a RST: the other side hears it at once, and nothing that waits is sent."""
        if self.is_open:
            end = self.writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.writer.transport.abort()


class Proxy:
    """`async with Proxy(server's port) as proxy`; clients connect to `proxy.port`.

    `delay` is how long each answer is held back, in s; `change` what becomes of each piece of an
    answer; `piece` the bytes that are sent at once; `limit` how many connections are let through,
    the others are reset. With `is_crossed`, the answer to a connection that is gone goes to the
    newest one, as behind a serial server. All of them act on what passes from then on.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.accepted = 0
        self._links: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.requests, self.answers = asyncio.Event(), asyncio.Event()
        self._calm()

    def _calm(self) -> None:
        self.delay, self.piece = 0.0, 65536
        self.change: Change | None = None
        self.limit: int | None = None
        self.is_crossed = False
        self.requests.set()
        self.answers.set()

    @property
    def open_links(self) -> int:
        """Connections of clients that are open, half-open ones among them."""
        return sum(link.is_open for link in self._links)

    def reset(self) -> None:
        """Both ends of every connection hear a RST."""
        for link in self._links:
            link.client.reset()
            link.server.reset()

    def forget(self) -> None:
        """Half-open: the server's ends are reset and the clients are never told."""
        for link in self._links:
            link.is_forgotten = True
            link.server.reset()

    def hold(self, *, requests: bool = True, answers: bool = True) -> None:
        """A black hole, or one in one direction: taken and not passed on, until `heal`."""
        if requests:
            self.requests.clear()
        if answers:
            self.answers.clear()

    async def refuse(self) -> None:
        """The link is down: connections are reset, new ones refused, until `heal`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.reset()

    async def heal(self) -> None:
        """No fault from now on; what was held back arrives."""
        self._calm()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(_End(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: _End) -> None:
        self.accepted += 1
        if self.limit is not None and self.open_links >= self.limit:
            client.reset()
            return
        try:
            server = _End(*await asyncio.open_connection("127.0.0.1", self.target))
        except OSError:
            client.reset()
            return
        link = _Link(self, client, server)
        self._links.append(link)
        try:
            await link.run()
        finally:
            client.reset()
            server.reset()
            self._links.remove(link)

    def newest(self) -> "_Link | None":
        """The connection that was opened last, of those that are open."""
        return next((link for link in reversed(self._links) if link.is_open), None)


class _Link:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, client: _End, server: _End) -> None:
        self.client, self.server = client, server
        self.is_forgotten = False
        self._has_left = False
        self._proxy = proxy

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return self.client.is_open and not self._has_left

    async def run(self) -> None:
        """Until both ends are closed and all that was held back has gone its way."""
        await asyncio.gather(self._requests(), self._answers())

    async def _requests(self) -> None:
        async for data in _delayed(self.client.reader, lambda: 0.0):
            await self._proxy.requests.wait()
            if data and self.server.is_open:
                self.server.writer.write(data)
        self._has_left = True
        await self._proxy.requests.wait()
        self.server.writer.close()

    async def _answers(self) -> None:
        async for data in _delayed(self.server.reader, lambda: self._proxy.delay):
            await self._proxy.answers.wait()
            change = self._proxy.change
            await self._answer(change(data) if change else data)
        await self._proxy.answers.wait()
        if not self.is_forgotten:
            self.client.writer.close()

    async def _answer(self, data: bytes) -> None:
        newest = self._proxy.newest() if self._proxy.is_crossed else None
        link = newest if newest and not self.is_open else self
        step = self._proxy.piece
        for start in range(0, len(data), step):
            if link.is_open:
                link.client.writer.write(data[start : start + step])
            if len(data) > step:
                await asyncio.sleep(_PIECE_PAUSE_S)


async def _delayed(
    reader: asyncio.StreamReader, delay: Callable[[], float]
) -> AsyncIterator[bytes]:
    """What comes, each piece as much later as `delay` says now."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def take() -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(65536)
            except ConnectionError:
                data = b""
            waiting.put_nowait((loop.time(), data))

    taking = asyncio.ensure_future(take())
    try:
        while True:
            came, data = await waiting.get()
            while (rest := came + delay() - loop.time()) > 0:
                await asyncio.sleep(min(rest, _LOOK_S))
            if not data:
                return
            yield data
    finally:
        taking.cancel()
