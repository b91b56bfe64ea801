"""Pages and their streams: the first state as a document, every later one as an event.

Promises
- GET /events/PAGE sends the same page whenever it has changed, at most every AGAIN_S, and the time
  every BEAT_S, so that a browser notices a connection that is dead.
- A stream ends with its session.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping

import structlog
from aiohttp import web

from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.control.connections import Connection
from gateway.panel.entry import keys_of, scheme_of
from gateway.panel.gate import SESSION, Gate, Handler, framed
from gateway.panel.listeners import Listeners
from gateway.panel.pages import PAGES, TITLES, Page
from gateway.panel.visit import Visit
from gateway.panel.watch import Watch

log = structlog.get_logger()

AGAIN_S = 0.2
BEAT_S = 1.0
SLOW_S = 5.0
"""A page is made again so often at least: times and ages change by themselves."""
LONGEST_QUERY = 1000


class Shown:
    """The pages of a panel for browsers."""

    def __init__(
        self, watches: Mapping[str, Watch], listeners: Listeners, gate: Gate,
        clock: Callable[[], Nanos] = time.time_ns,
    ) -> None:  # fmt: skip
        self._watches, self._listeners, self._gate = watches, listeners, gate
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """A document and a stream for each page."""
        return [
            route
            for path, page in PAGES.items()
            for route in (web.get(path, self._document(page)), self._events(path, page))
        ]

    def _visit(self, request: web.Request) -> Visit:
        line = request.match_info.get("line", "")
        if line and line not in self._watches:
            raise web.HTTPNotFound
        if len(request.query_string) > LONGEST_QUERY:
            raise web.HTTPRequestURITooLong
        return Visit(
            self._watches,
            request[SESSION],
            request.path_qs.removeprefix("/events"),
            dict(request.query),
            self._clock(),
            line,
            self._gate.settings.is_open,
            scheme_of(request),
            keys_of(request),
        )

    def _document(self, page: Page) -> Handler:
        async def show(request: web.Request) -> web.Response:
            visit, session = self._visit(request), request[SESSION]
            said, session.said = session.said, ""
            text = framed(
                await page(visit),
                title=_title(visit),
                scheme=visit.scheme,
                keys=visit.keys,
                events=f"/events{visit.path}",
                said=said,
                failed=session.failed,
            )
            return web.Response(text=text, content_type="text/html")

        return show

    def _events(self, path: str, page: Page) -> web.RouteDef:
        async def stream(request: web.Request) -> web.StreamResponse:
            self._visit(request)
            with self._listeners.listening() as changed, contextlib.suppress(ConnectionError):
                return await self._send(request, page, changed)
            return web.Response()

        return web.get(f"/events{path}", stream)

    async def _send(
        self, request: web.Request, page: Page, changed: asyncio.Event
    ) -> web.StreamResponse:
        ended = asyncio.Event()

        def end() -> None:
            ended.set()
            changed.set()

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.headers["Cache-Control"] = "no-store"
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.stream(on_end=end)
        for watch in self._watches.values():
            watch.hurry()
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        last, due = "", 0.0
        while not ended.is_set() and self._gate.session_of(request) is not None:
            if changed.is_set() or time.monotonic() >= due:
                changed.clear()
                due = time.monotonic() + SLOW_S
                try:
                    text = await page(self._visit(request))
                except Exception as bug:
                    # The browser comes again, and the document then says what is wrong.
                    log.exception("panel.failed", path=request.path, error_type=type(bug).__name__)
                    break
                if text != last:
                    last = text
                    await response.write(_event("page", json.dumps(text)))
                    await asyncio.sleep(AGAIN_S)
            await response.write(_event("beat", local_time(self._clock(), "%H:%M:%S")))
            if isinstance(connection, Connection):
                connection.extend()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await changed.wait()
        return response


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


def _title(visit: Visit) -> str:
    if visit.line:
        last = visit.path.partition("?")[0].rpartition("/")[2]
        return f"{dict(TITLES).get(last, 'Line')} · {visit.line}"
    alarms = sum(len(watch.alarms) for watch in visit.watches.values())
    return f"{alarms} alarms" if alarms else "andon"
