"""A panel in this process for tests, and a browser without eyes that asks it."""

import contextlib
import re

import aiohttp
from fake_daemon import FakeDaemon, answering

from gateway.panel.server import panel
from gateway.panel.settings import Settings

FORM = "application/x-www-form-urlencoded"


class Visitor:
    """One browser: its cookies, and the forms of its pages."""

    def __init__(self, port, session, scheme="http"):
        self.url, self._session = f"{scheme}://127.0.0.1:{port}", session

    async def get(self, path="/", **headers):
        async with self._session.get(
            f"{self.url}{path}", headers=headers, allow_redirects=False
        ) as answer:
            return answer, await answer.text()

    async def post(self, path, fields, **headers):
        headers = {"Origin": self.url} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self._session.post(
            f"{self.url}{path}", data=fields, headers=headers, allow_redirects=False
        ) as answer:
            return answer, await answer.text()

    async def csrf(self, path="/help"):
        _, text = await self.get(path)
        return re.search(r'name="csrf" value="([^"]+)"', text)[1]

    async def named(self, name="Anna"):
        """As one who has given a name."""
        fields = {"csrf": await self.csrf(), "name": name, "back": "/"}
        answer, _ = await self.post("/name", fields)
        assert answer.status == 303
        return self

    async def stream(self, path="/events/"):
        """The events of a page as they come, as (name, data)."""
        async with self._session.get(f"{self.url}{path}") as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "text/event-stream"
            name = ""
            async for row in answer.content:
                word, _, rest = row.decode().rstrip("\n").partition(": ")
                name = rest if word == "event" else name
                if word == "data":
                    yield name, rest


@contextlib.asynccontextmanager
async def browser(port, scheme="http", **options):
    """A browser with cookies of its own."""
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(force_close=True, **options)
    async with aiohttp.ClientSession(
        cookie_jar=jar, connector=connector, read_bufsize=2**20
    ) as session:
        yield Visitor(port, session, scheme)


@contextlib.asynccontextmanager
async def showing(folder, daemon=None, settings=None):
    """A panel of the line press-3, whose daemon is a fake one; yields a browser."""
    socket = folder / "control.sock"
    async with (
        answering(daemon or FakeDaemon(), socket),
        panel({"press-3": [socket]}, settings or Settings(port=0)) as port,
        browser(port) as visitor,
    ):
        yield visitor
