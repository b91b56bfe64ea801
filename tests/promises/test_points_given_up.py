"""Promise: whatever a server answers, and however points are lost, the line says so.

A sink without an acknowledgement is down; points that were given up make the line degraded. Neither
is "ok" while nothing is stored, and alerts stay a fault until a person has dealt with them.
"""

import asyncio
import contextlib
import json
import time
from types import SimpleNamespace

import pytest
from aiohttp import web
from fake_influx import COMMENT, FakeInflux
from fakes import tag
from patience import PATIENCE

from gateway.api.contracts import Places
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Loss, Point
from gateway.buffer import open_buffer
from gateway.core.freshness import FreshnessWatch
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace
from gateway.sinks.influx import InfluxOptions, InfluxSink
from gateway.telemetry.health import Health
from gateway.telemetry.metrics import HealthCollector, exposition
from gateway.telemetry.timings import Timings

OPTIONS = SimpleNamespace(max_bytes=10**9, max_age=2**62)
SINKS = {"cloud": frozenset(Kind)}


def point(kind, n):
    name = {Kind.ALERT: "andon_alert", Kind.SUMMARY: "andon_summary"}.get(kind, "andon_gateway")
    return Envelope(kind, n, encode(Point(name, {"n": str(n)}, {"x": 1.0}, n)))


def health_of(forwarders=()):
    tags = [tag("flow")]
    health = Health("press-3", "plant", tags, FreshnessWatch(tags, 5.0, 3.0))
    health.sources.clear()
    health.deliveries = {each.name: each for each in forwarders}
    return health


def opened(path, sinks=SINKS, options=OPTIONS):
    return open_buffer(path / "b.db", options, sinks, handling=StoredPoints("plant", "press-3"))


class Answers(FakeInflux):
    """Gives one answer to every request with a point that it is about."""

    def __init__(self, about, *answer, **headers):
        super().__init__()
        self._about, self._answer, self._headers = about, answer, headers

    def honest(self, body):
        status, text = self._answer
        if self._about not in body:
            return super().honest(body)
        lines = sum(self._about in line for line in body.split(b"\n"))
        content = json.dumps(text) if isinstance(text, dict) else text
        content = content.replace("COUNT", str(lines))
        headers = {name.replace("_", "-"): value for name, value in self._headers.items()}
        return web.Response(status=status, text=content, headers=headers)


@contextlib.asynccontextmanager
async def delivering(server, path, **options):
    """A health that sees a forwarder to this server."""
    async with server.serving() as running, opened(path) as buffer:
        given = {"url": running.url, "bucket": "b", "timeout": f"{PATIENCE}s"} | options
        sink = InfluxSink("cloud", InfluxOptions(**given), Places(None, None))
        async with sink.open():
            forwarder = Forwarder("cloud", sink, buffer, pace=Pace(draw=lambda: 0.0), linger=0)
            task = asyncio.create_task(forwarder.run())
            try:
                yield buffer, health_of([forwarder]), sink
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def until(condition, buffer, health):
    async with asyncio.timeout(PATIENCE):
        while True:
            health.buffer = await buffer.stats()
            if condition(health):
                return
            await asyncio.sleep(0.01)


LOGIN = "<html>log in</html>"
NO_ACKNOWLEDGEMENT = {
    "login page": (200, LOGIN, "200 OK: <html>log in</html>: not a response of InfluxDB"),
    "empty 200": (200, "", "not a response of InfluxDB, nothing was stored; check the url"),
    "accepted": (202, "", "202 Accepted: not a response of InfluxDB"),
    "partial content": (206, "", "206 Partial Content: not a response of InfluxDB"),
    "moved": (301, "", "it is now at https://portal.example/login; check the url"),
    "found": (302, "", "it is now at https://portal.example/login"),
    "see other": (303, "", "it is now at https://portal.example/login"),
    "temporary": (307, "", "it is now at https://portal.example/login"),
    "no org": (400, {"message": "Please provide either orgID or org"}, "InfluxDB 2 needs `org`"),
    "proxy 400": (400, "<h1>Bad Request</h1>", "400 Bad Request: <h1>Bad Request</h1>"),
    "token": (401, {"message": "unauthorized access"}, "401 Unauthorized: unauthorized access"),
    "rights": (403, {"message": "insufficient permissions"}, "403 Forbidden: insufficient"),
    "bucket": (404, {"message": 'bucket "b" not found'}, '404 Not Found: bucket "b" not found'),
    "method": (405, "", "405 Method Not Allowed"),
    "proxy login": (407, "", "407 Proxy Authentication Required"),
    "gone": (410, "", "410 Gone"),
    "too fast": (429, {"message": "org limits"}, "429 Too Many Requests: org limits"),
    "retention policy": (500, {"error": "retention policy not found: x"}, "policy not found: x"),
    "bad gateway": (502, LOGIN, "502 Bad Gateway"),
    "busy": (503, "", "503 Service Unavailable"),
}


@pytest.mark.parametrize(
    ("status", "text", "words"), NO_ACKNOWLEDGEMENT.values(), ids=[*NO_ACKNOWLEDGEMENT]
)
async def test_a_sink_without_an_acknowledgement_is_down(tmp_path, status, text, words):
    server = Answers(b"", status, text, Location="https://portal.example/login")
    async with delivering(server, tmp_path) as (buffer, health, sink):
        assert health.overall == "ok"
        await buffer.append([point(Kind.ALERT, 1), point(Kind.SUMMARY, 2)])
        await until(lambda h: not h.deliveries["cloud"].up, buffer, health)
        assert health.overall == "degraded"
        assert words in health.unready()[0]
        # Nothing is given up, and a probe says the same.
        assert (health.buffer["alerts"], health.buffer["dead_letters"]) == (1, 0)
        probe = await sink.probe()
    assert not probe.ok
    assert words in probe.message
    assert server.stored == {}


CONFLICT = 'field type conflict: input field "mean" is type float, already exists as type integer'
BEYOND = "partial write: points beyond retention policy dropped=COUNT"
REFUSED = {
    "conflict in 1": (400, {"error": f"partial write: {CONFLICT} dropped=1"}, "type conflict"),
    "conflict in 2": (422, {"message": f"failure writing: {CONFLICT}"}, "type conflict"),
    "retention in 1": (400, {"error": BEYOND}, "beyond retention policy"),
    "retention in 2.0": (500, {"message": BEYOND}, "beyond retention policy"),
    "retention in 2.4": (422, {"message": BEYOND}, "beyond retention policy"),
    "retention in 2.8": (
        422,
        {"message": "partial write: dropped COUNT points outside retention policy of duration 24h"},
        "outside retention policy",
    ),
    "too large alone": (413, {"code": "request too large"}, "413 Request Entity Too Large"),
    "malformed": (400, {"message": "unable to parse 'x': missing fields"}, "unable to parse"),
    "series limit": (
        400,
        {"error": "partial write: max-series-per-database limit exceeded"},
        "max-",
    ),
    "schema in 3": (
        400,
        {"error": "parsing failed", "data": {"error_message": "column"}},
        "column",
    ),
}


@pytest.mark.parametrize("kind", [Kind.ALERT, Kind.SUMMARY])
@pytest.mark.parametrize(("status", "text", "words"), REFUSED.values(), ids=[*REFUSED])
async def test_refused_points_degrade_the_line(tmp_path, kind, status, text, words):
    about = point(kind, 1).body.split(b",")[0]
    async with delivering(Answers(about, status, text), tmp_path) as (buffer, health, _):
        others = [Kind.GATEWAY, Kind.ALERT if kind is Kind.SUMMARY else Kind.SUMMARY]
        await buffer.append([point(other, 99) for other in others])
        await buffer.append([point(kind, n) for n in range(1, 5)])
        await until(lambda h: h.buffer["dead_letters"] == 4, buffer, health)
        assert health.overall == "degraded"
        (sentence,) = health.unready()
        name = "alerts" if kind is Kind.ALERT else "summaries"
        assert sentence.startswith(f"sink cloud: 4 {name} refused since ")
        assert words in sentence
        assert sentence.endswith("andon buffer LINE.yaml list")
        metrics = exposition(Timings("press-3"), HealthCollector(health, {}, time.time_ns))()
        labels = f'lane="{kind.name.lower()}",line="press-3",sink="cloud"'
        assert f"andon_buffer_given_up_events{{{labels}}} 4.0" in metrics.decode()
        assert health.gateway_fields(0)["health"] == "degraded"
        await buffer.discard(None)
        health.buffer = await buffer.stats()
        assert (health.overall, health.unready()) == ("ok", [])


REASONS = {
    "evicted": "no room in the buffer",
    "expired": "older than buffer.max_age",
    "damaged": "not recovered from a damaged buffer",
    "lost_tail": "missing at the end of the buffer's log",
    "no_sink": "no sink accepts them any more",
    "no_room": "the disk and the memory were full",
    "a_reason_of_later": "a reason of later",
}


@pytest.mark.parametrize("kind", [Kind.ALERT, Kind.SUMMARY, Kind.GATEWAY])
@pytest.mark.parametrize(("reason", "words"), REASONS.items())
async def test_every_loss_degrades_the_line_until_it_is_noted(tmp_path, kind, reason, words):
    health = health_of()
    async with opened(tmp_path) as buffer:
        buffer.note(Loss(kind, reason, 3, 1, 2))
        await buffer.maintain()
        await until(lambda h: h.overall == "degraded", buffer, health)
        (sentence,) = health.unready()
        assert sentence.startswith("buffer: 3 ")
        assert f"({words}): andon buffer LINE.yaml stat" in sentence
    # It is known after a restart too.
    async with opened(tmp_path) as buffer:
        await until(lambda h: h.overall == "degraded", buffer, health)
        assert await buffer.discard(None) == (0, 1)
        health.buffer = await buffer.stats()
        assert health.overall == "ok"
        buffer.note(Loss(kind, reason, 1, 3, 3))
        await buffer.maintain()
        await until(lambda h: h.overall == "degraded", buffer, health)
        assert "1 " in health.unready()[0]


async def test_a_row_that_was_damaged_on_disk_degrades_the_line(tmp_path):
    health = health_of()
    async with opened(tmp_path) as buffer:
        await buffer.append([point(Kind.ALERT, 1)])
        await buffer._run(buffer._store._contents.db.execute, "UPDATE alert SET crc = crc + 1")
        assert await buffer.lease("cloud", 10, 10**6) == []
        await until(lambda h: h.overall == "degraded", buffer, health)
        assert "buffer: 1 alert lost" in health.unready()[0]
        assert "damaged on disk" in health.unready()[0]


@pytest.mark.parametrize("reason", ["per_hour", "no_history"])
async def test_clips_that_are_limited_as_the_line_file_says_are_no_fault(tmp_path, reason):
    health = health_of()
    async with opened(tmp_path) as buffer:
        buffer.note(Loss(Kind.CLIP, reason, 3, 1, 2))
        await buffer.maintain()
        await until(lambda h: h.buffer["losses"], buffer, health)
        assert health.overall == "ok"


async def test_alerts_are_told_though_thousands_of_summaries_follow(tmp_path):
    health = health_of()
    async with opened(tmp_path) as buffer:
        for kind, count in ((Kind.ALERT, 4), (Kind.SUMMARY, 11_000)):
            await buffer.append([point(kind, n) for n in range(count)])
            while batch := await buffer.lease("cloud", 8_000, 10**7):
                await buffer.reject("cloud", batch, "field type conflict")
        health.buffer = await buffer.stats()
    assert "4 alerts and 10,000 summaries refused" in health.unready()[0]


async def test_a_server_that_refuses_a_request_without_points_is_reached(tmp_path):
    for words in ("no points in it", "writing requires points", "the body is empty"):
        server = Answers(COMMENT, 400, {"message": words})
        async with delivering(server, tmp_path) as (_, _, sink):
            probe = await sink.probe()
        assert (probe.ok, words in probe.message) == (True, True)


async def test_a_probe_says_if_the_answer_is_not_one_of_influxdb(tmp_path):
    async with delivering(FakeInflux(), tmp_path) as (_, _, sink):
        probe = await sink.probe()
    assert probe.ok
    assert "not as InfluxDB does" in probe.message
    server = Answers(b"", 204, "", X_Influxdb_Version="v2.8.0")
    async with delivering(server, tmp_path) as (_, _, sink):
        assert (await sink.probe()).message == "bucket b answers"
