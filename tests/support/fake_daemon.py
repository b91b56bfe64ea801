"""A daemon as the panel sees it: the routes of its control socket, with facts that a test sets."""

import contextlib
import math
from dataclasses import dataclass, field

from aiohttp import web

from gateway.api.model import SECOND

T0 = 1_795_952_000 * SECOND


def top(tag, share, actual=None, expected=None, reason=""):
    return {"tag": tag, "share": share, "actual": actual, "expected": expected, "reason": reason}


def alarm(name, message, severity="high", state="unacknowledged", at=T0, **more):
    detector, _, kind = name.partition(".")
    return {
        "id": f"{name}-{at // 1_000_000:x}", "detector": detector, "alarm": kind, "state": state,
        "severity": severity, "opened_at": at, "began_at": at, "at": at, "value": 1.0,
        "threshold": 1.0, "peak": 1.0, "tag": None, "top_tags": [], "model": "", "coverage": 1.0,
        "message": message, "transition": "raised", "active": True, "acknowledged_by": "", "by": "",
        "reason": "", "verdict": "", "caused_by": "", "advice": "", "below": False,
    } | more  # fmt: skip


def tag(name, value=1.0, unit="", state="fresh", reason="", age_s=0.3):
    return {
        "tag": name, "source": "plc", "unit": unit, "value": value, "name": "", "state": state,
        "reason": reason, "age_s": age_s,
    }  # fmt: skip


def detector(name, state="ok", reason="", model="", score=None, threshold=None):
    return {
        "name": name, "state": state, "reason": reason, "model": model, "score": score,
        "threshold": threshold, "below": False, "coverage": 1.0,
    }  # fmt: skip


def sink(name, up=True, error="", at=T0, is_local=False):
    return {"name": name, "up": up, "error": error, "last_success_at": at, "is_local": is_local}


def status(line="press-3", **more):
    return {
        "line": line, "site": "works-1", "version": "0.1.0", "started": T0 - 90_000 * SECOND,
        "now": T0, "health": "ok", "clock": {"trusted": True, "why": ""}, "not_ready": [],
        "state_folder": "", "sources": [{"name": "plc", "up": True, "error": "", "age_s": 0.3}],
        "tags": [tag("flow", 30.0, "l/min")], "detectors": [detector("guard")],
        "sinks": [sink("cloud")],
        "buffer": {"alerts": 0, "summaries": 0, "gateway": 0, "clips": 0, "oldest_at": None},
    } | more  # fmt: skip


@dataclass
class FakeDaemon:
    """What it answers, and what it was asked to do."""

    alarms: list = field(default_factory=list)
    status: dict = field(default_factory=status)
    journal: list = field(default_factory=list)
    now: int = T0
    acts: list = field(default_factory=list)
    refuses: str = ""
    asked: list = field(default_factory=list)

    def routes(self):
        return [
            web.get("/alarms", self._alarms),
            web.get("/status", self._status),
            web.get("/alarms/show", self._show),
            web.get("/journal", self._journal),
            web.get("/trend", self._trend),
            web.post("/alarms/act", self._act),
            web.post("/maintenance", self._act),
        ]

    async def _alarms(self, request):
        self.asked.append(request.path_qs)
        return web.json_response(self.alarms)

    async def _status(self, request):
        self.asked.append(request.path_qs)
        return web.json_response(self.status)

    async def _show(self, request):
        entries = [each for each in self.journal if each["id"] == request.query["id"]]
        known = [*self.alarms, *(each["facts"] for each in entries if each.get("facts"))]
        facts = next((each for each in known if each["id"] == request.query["id"]), None)
        if facts is None:
            return web.json_response({"error": "no alarm has this id"}, status=404)
        return web.json_response({"alarm": facts, "entries": entries[::-1], "clip": ""})

    async def _journal(self, request):
        self.asked.append(request.path_qs)
        limit = int(request.query["limit"])
        return web.json_response(
            {"entries": self.journal[:limit], "more": len(self.journal) > limit}
        )

    async def _trend(self, request):
        self.asked.append(request.path_qs)
        since, until = int(request.query["since"]), int(request.query["until"])
        return web.json_response(
            {
                "tags": {
                    name: self._curve(name, since, until) for name in request.query.getall("tag")
                },
                "from_history": True,
                "why": "",
            }
        )

    def _curve(self, name, since, until):
        units = {each["tag"]: each["unit"] for each in self.status["tags"]}
        begins = {t["tag"]: (a["began_at"], t) for a in self.alarms for t in a["top_tags"]}
        began, of = begins.get(name, (until, {}))
        usual, now = of.get("expected") or 20.0, of.get("actual") or 20.0
        usual = usual * 0.92 if now > usual else usual * 1.06
        times = [
            since + (until - since) * n // 240
            for n in range(240)
            if since + (until - since) * n // 240 < self.now
        ]
        means = [
            usual + 0.01 * usual * math.sin(at / 9e10) + 0.006 * usual * math.sin(at / 1.7e10)
            + (now - usual) * min(max((at - began + 240 * SECOND) / (300 * SECOND), 0), 1)
            for at in times
        ]  # fmt: skip
        spread = 0.006 * usual
        return {
            "unit": units.get(name, ""), "t": times, "mean": means,
            "min": [mean - spread for mean in means], "max": [mean + spread for mean in means],
        }  # fmt: skip

    async def _act(self, request):
        body = await request.json()
        self.acts.append(body)
        if self.refuses:
            return web.json_response({"error": self.refuses}, status=409)
        return web.json_response({"message": f"done by {body['by']}"})


@contextlib.asynccontextmanager
async def answering(daemon, socket):
    """The daemon answers at this socket until the context is left."""
    application = web.Application()
    application.router.add_routes(daemon.routes())
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield daemon
    finally:
        await runner.cleanup()
        socket.unlink(missing_ok=True)
