"""A running line with an alarm behind a real control server, for the tests of `andon top`."""

import asyncio
import contextlib
import time

import numpy as np
from aiohttp import web
from fakes import LastValue, MemoryStore, tag

from gateway.api.contracts import Places
from gateway.api.model import SECOND, SampleBatch
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.control import alarm_routes, trend_routes
from gateway.control.server import SOCKET, serve
from gateway.history.recent import Recent
from gateway.line.line import Line
from gateway.top.lines import Watched

NASTY = "[bold red]\x1b[2J\u202eflow[/]"


class Press:
    """One line of the name: its folder, its server on and off, and what it was asked to store."""

    def __init__(self, folder, name="press-3", unit="l/min", journal=()):
        self.folder, self.name, self.journal = folder, name, list(journal)
        # Not that of the import, which in a long run is out of the trend's span.
        self.now = time.time_ns() // SECOND * SECOND
        self.start_at = self.now - 2 * SECOND
        file = LineFileBase.model_validate({"version": 1, "line": name, "site": "s", "sources": {}})
        self.tags = (tag("flow", unit=unit), tag("level"))
        config = LineConfig(
            folder / "l.yaml", name, "s", file, SecuritySection(), self.tags,
            Places(folder, folder), "digest",
        )  # fmt: skip
        self.recent = Recent(2, self.start_at)
        self.store = MemoryStore()
        self.line = Line(
            config, {"pump": LastValue("flow")}, self.store, self.start_at,
            clock=lambda: self.now, recorder=self.recent,
        )  # fmt: skip

    async def start(self):
        at = self.start_at + SECOND // 2
        good = np.zeros(1, np.uint8)
        self.line.inbox.put(
            SampleBatch(np.zeros(1, np.int32), np.array([at]), np.array([20.0]), good), 0
        )
        await self.line.tick(self.now)

    @contextlib.asynccontextmanager
    async def serving(self):
        """The daemon, while the context lasts."""

        async def entries(_request):
            return web.json_response({"entries": self.journal, "more": False})

        routes = [
            *alarm_routes.routes(self.line.health, self.line.act, lambda: self.now),
            *trend_routes.routes(self.recent, self.tags, lambda: self.now),
            *([web.get("/journal", entries)] if self.journal else []),
        ]
        where = {"host": "127.0.0.1", "port": 0, "socket": self.folder / SOCKET}
        health = self.line.health
        async with serve(health, lambda: b"", lambda: self.now, routes=routes, **where):
            running = asyncio.create_task(self.line.run())
            try:
                yield self
            finally:
                running.cancel()

    @property
    def watched(self):
        return Watched(self.name, [self.folder / "elsewhere", self.folder])

    @property
    def alarm(self):
        (alarm,) = self.line.health.open
        return alarm

    @property
    def reasons(self):
        """What people gave as their reasons."""
        return {alert.reason for alert in self.line.health.alerts}


AT = 1_790_000_000 * SECOND
ENTRY = {
    "seq": 7, "at": AT, "recorded_at": AT, "kind": "alarm", "id": "pump.anomaly-1",
    "transition": "raised", "state": "unacknowledged", "severity": "medium", "by": "",
    "reason": "", "message": "raised, says [bold]the journal[/]\x1b[2J", "facts": {},
}  # fmt: skip
