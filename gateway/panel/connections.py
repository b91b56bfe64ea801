"""The connections of browsers: few, and none for long but those that look.

Promises
- The limits of the daemon's services (control/connections.py) hold, with at most MOST
  connections. A TLS handshake ends within HANDSHAKE_S.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from gateway.control.connections import Connection, Connections
from gateway.telemetry.services import LocalService

MOST = 96
"""32 that look, and the few requests of each when a page is loaded."""
HANDSHAKE_S = 5.0


class Browsers(Connections):
    """All connections of the panel."""

    def joined(self, connection: Connection) -> None:
        """A connection is open; the oldest that holds itself up makes room for it."""
        super().joined(connection)
        if len(self._open) > MOST:
            self._make_room()
        if len(self._open) > 2 * MOST:
            self.service.note("crowded")
            connection.abort()


@contextlib.asynccontextmanager
async def serving(
    application: web.Application,
    listeners: Sequence[socket.socket],
    context: ssl.SSLContext | None,
) -> AsyncIterator[None]:
    """Answers browsers until the context is left."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - it was set up
    web_server = runner.server
    browsers = Browsers(LocalService("panel"), web_server, lambda _peer: "")
    loop = asyncio.get_running_loop()
    timeout = HANDSHAKE_S if context is not None else None
    servers = [
        await loop.create_server(
            lambda: Connection(browsers, web_server),
            sock=each,
            ssl=context,
            ssl_handshake_timeout=timeout,
        )
        for each in listeners
    ]
    try:
        yield
    finally:
        for each in servers:
            each.close()
        browsers.end_streams()
        await runner.cleanup()
