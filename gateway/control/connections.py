"""The connections of one local service: few, and none for long.

Promises
- A connection carries one request. It ends within LIFE_S, whether it is idle, sends its request
  slowly or takes its answer slowly. A stream ends when nothing of it was taken for LIFE_S.
- At most MOST are open. Another one takes the place of the oldest that holds itself up, so that
  holding connections keeps no other client out. The rest wait in the kernel.
- Without a file descriptor, or under a flood, accepting pauses; the line goes on.
- What is not HTTP is answered with 400 and a sentence, counted, and no traceback.
"""

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Iterator
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.control.errors import error
from gateway.telemetry.services import LocalService

log = structlog.get_logger()

MOST = 16
"""Connections of one service. With both services full, a limit of 64 descriptors leaves the parts
of the line enough."""
LIFE_S = 10.0
"""Prometheus gives a scrape 10 s; andon's own client gives an answer 5 s."""
LINGER_S = 1.0
"""How long the rest of a request is read and thrown away, so that its sender sees the answer."""
FRESH_S = 0.1
"""A client has this long to send its request before it may make room for another."""
SPARED_S = 1.0
"""And this long to take its answer."""
LINE_BYTES = 4096
"""Bytes of a request line, and of a header."""
HEADERS = 64
CROWDED_S = 0.005
"""The pause of accepting after one that took the place of another: at most 200 of them a second."""
NO_DESCRIPTOR_S = 1.0

Admit = Callable[[socket.socket], str]
"""Why a connection that was just accepted is refused; empty if it is not."""


class Connection(web.RequestHandler):
    """One connection, which closes itself when its time is over."""

    def __init__(self, all_of: "Connections", server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # Its own time limit covers nothing but waiting, and counts nothing.
            keepalive_timeout=0,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type] # as AppRunner has it
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADERS,
            lingering_time=LINGER_S,
            # A body is small: only an attacker would compress it.
            auto_decompress=False,
        )
        self._all = all_of
        self._deadline: asyncio.TimerHandle | None = None
        self._on_end: Callable[[], None] | None = None
        self._spared_until = self._loop.time() + FRESH_S

    @property
    def is_stream(self) -> bool:
        """Whether its answer goes on until the client leaves."""
        return self._on_end is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The deadline begins."""
        super().connection_made(transport)
        self._all.joined(self)
        self.extend()

    def extend(self) -> None:
        """What was sent has been taken: the deadline starts again."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self.transport is not None:
            self._deadline = self._loop.call_later(LIFE_S, self._is_over)

    def stream(self, on_end: Callable[[], None]) -> None:
        """The answer is a stream; `on_end` is called when the connection is gone."""
        self._on_end = on_end
        self._all.count_streams()

    @contextlib.contextmanager
    def waiting_for_us(self) -> Iterator[None]:
        """Within it the daemon has not come to the answer yet, and until then nothing is closed."""
        self._spared_until = math.inf
        try:
            yield
        finally:
            self._spared_until = self._loop.time() + SPARED_S

    @property
    def may_go(self) -> bool:
        """Whether it may make room for another."""
        return not self.is_stream and self._spared_until < self._loop.time()

    def _is_over(self) -> None:
        self._all.service.note("slow")
        self.abort()

    def abort(self) -> None:
        """End it now, whatever it is about."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            # Closing waits until a buffer is taken; that may be never.
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The descriptor is free."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._all.left(self)
        super().connection_lost(exc)
        if self._on_end is not None:
            self._on_end()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - there is none
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP; what routes raise is `report_errors`' business."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has gone
        if status >= 500:
            self._all.service.count("failed")
            log.error("service.failed", service=self._all.service.name, exc_info=exc)
            return error(status, "an unexpected error; the log of the daemon has its traceback")
        why = f"what came is not HTTP: {' '.join((message or str(exc)).split())[:200]}"
        if isinstance(exc, LineTooLong):
            # The library's words repeat what came.
            why = f"the request line, or a header, is longer than {LINE_BYTES:,} bytes"
        self._all.service.note("malformed", why)
        response = error(status, why)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **facts: Any) -> None:
        """What aiohttp would log with a traceback for each connection again."""
        why = facts.get("exc_info")
        self._all.service.note("failed", f"{args[0] if args else ''}: {why!r}"[:200])


class Connections:
    """All connections of one service. `server` makes answers of requests."""

    def __init__(self, service: LocalService, server: web.Server, admit: Admit) -> None:
        self.service = service
        self._server, self._admit = server, admit
        self._open: dict[Connection, None] = {}

    async def accept(self, listener: socket.socket) -> None:
        """Accept connections for ever; `listener` does not block."""
        while True:
            try:
                peer, _ = await asyncio.get_running_loop().sock_accept(listener)
                await self._take(peer)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                why = f"no connection can be accepted: {error.strerror or error}"
                self.service.note("descriptors", why)
                await asyncio.sleep(NO_DESCRIPTOR_S)
            except Exception as error:
                # A service that accepts nothing any more would be silent about it.
                log.exception("service.failed", error_type=type(error).__name__)
                await asyncio.sleep(NO_DESCRIPTOR_S)

    async def _take(self, peer: socket.socket) -> None:
        if why := self._admit(peer):
            peer.close()
            self.service.note("foreign", why)
            await asyncio.sleep(CROWDED_S)
            return
        try:
            while len(self._open) >= MOST:
                self._make_room()
                await asyncio.sleep(CROWDED_S)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self, self._server), peer
            )
        except BaseException:
            peer.close()
            raise

    def _make_room(self) -> None:
        """Close the oldest connection, if there is one that holds itself up.

        Streams stay: they are few (telemetry/tap.py).
        """
        for connection in self._open:
            if connection.may_go:
                self.service.note("crowded")
                connection.abort()
                return

    def joined(self, connection: Connection) -> None:
        """A connection is open."""
        self._open[connection] = None
        self.service.open = len(self._open)

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.pop(connection, None)
        self.service.open = len(self._open)
        self.count_streams()

    def count_streams(self) -> None:
        """Streams have begun or ended."""
        self.service.streams = sum(each.is_stream for each in self._open)

    def end_streams(self) -> None:
        """End what would go on until its client leaves."""
        for connection in list(self._open):
            if connection.is_stream:
                connection.abort()
