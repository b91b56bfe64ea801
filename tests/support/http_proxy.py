"""An HTTP proxy with a user and a password, as plants have them: CONNECT, and plain requests."""

import asyncio
import base64
import contextlib
from urllib.parse import urlsplit


class HttpProxy:
    """Passes bytes on; `asked` are the request lines that it was sent, allowed or not."""

    def __init__(self, user, password):
        self._word = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        self.asked, self.port, self._tasks = [], 0, set()

    @contextlib.asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._pass_on(head, reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _pass_on(self, head, reader, writer):
        first, *headers = head[:-4].split(b"\r\n")
        self.asked.append(first.decode())
        fields = dict(header.split(b": ", 1) for header in headers)
        if fields.get(b"Proxy-Authorization") != self._word:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        method, target, version = first.split(b" ")
        tunnel = method == b"CONNECT"
        where = urlsplit(b"//" + target if tunnel else target)
        upstream, onward = await asyncio.open_connection(where.hostname.decode(), where.port)
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = where.path + b"?" + where.query
            onward.write(b"\r\n".join([b" ".join([method, path, version]), *headers]) + b"\r\n\r\n")
        try:
            await asyncio.gather(pump(reader, onward), pump(upstream, writer))
        finally:
            onward.close()


async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
