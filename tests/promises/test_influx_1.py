"""Promise: a real InfluxDB 1 gets every point once, through refusals, retention and restarts."""

import asyncio
import contextlib
import json
import time
import urllib.parse
import urllib.request
from types import SimpleNamespace

import pytest
import servers
import yaml
from modbus_plc import serving
from patience import PATIENCE

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.line_protocol import encode
from gateway.api.model import SECOND, Envelope, Kind, Point
from gateway.api.options import Secret
from gateway.buffer import open_buffer
from gateway.control.client import request
from gateway.core.stored_points import StoredPoints
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.pace import Pace
from gateway.demo.processes import daemon
from gateway.sinks.influx import InfluxOptions, InfluxSink


def influxql(server, query, **parameters):
    """The first series of the answer, as rows."""
    given = urllib.parse.urlencode({"epoch": "ns", **parameters})
    body = urllib.parse.urlencode({"q": query}).encode()
    with urllib.request.urlopen(f"{server.url}/query?{given}", body, timeout=PATIENCE) as answer:
        (result,) = json.load(answer)["results"]
    assert "error" not in result, result
    return result["series"][0]["values"] if "series" in result else []


async def rows(server, query):
    return await asyncio.to_thread(influxql, server, query, db="lines")


@pytest.fixture
def server(tmp_path):
    with servers.influxdb(tmp_path) as running:
        servers.create_database(running, "lines")
        yield running


@contextlib.asynccontextmanager
async def plc():
    """A device with one value, over its limit."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    registers = SimData(0, values=[99] * 10, datatype=DataType.REGISTERS)
    async with serving(SimDevice(1, simdata=[registers])) as device:
        yield device


def line_file(folder, device, server, **sink):
    file = folder / "line.yaml"
    options = {"type": "influx", "version": 1, "url": server.url, "database": "lines"} | sink
    text = {
        "version": 1, "line": "press", "site": "plant", "state": str(folder / "state"),
        "health": {"port": 0},
        "sources": {"plc": {
            "type": "modbus", "host": "127.0.0.1", "port": device.port,
            "timeout": f"{PATIENCE}s", "tags": {"oil": {"address": 3}},
        }},
        "detectors": {"guard": {"type": "limits", "period": "1s", "tags": {"oil": {"high": 65}}}},
        "summaries": {"every": "1s"},
        "sinks": {"cloud": options},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(text))
    return file


async def until(folder, fits):
    """The daemon's status, once it fits."""
    facts, socket = None, folder / "state" / "control.sock"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while True:
                facts = await request(socket) if socket.exists() else None
                if facts is not None and fits(facts):
                    return facts
                await asyncio.sleep(0.1)
    raise AssertionError(f"it never came; {facts}\n{(folder / 'andon.log').read_text()[-3000:]}")


def sent(facts, kind):
    return facts["sinks"][0]["sent"][kind]


async def test_every_point_arrives_once_through_an_outage_and_a_kill(tmp_path, server):
    async with plc() as device:
        file = line_file(tmp_path, device, server)
        async with daemon(file, tmp_path / "andon.log") as process:
            await until(tmp_path, lambda f: sent(f, "alert") and sent(f, "summary") >= 2)
            await asyncio.to_thread(server.stop)
            away = await until(tmp_path, lambda f: f["sinks"][0]["retries"])
            assert away["health"] == "degraded"
            await until(tmp_path, lambda f: f["buffer"]["summaries"] >= 2)
            process.kill()
            await process.wait()
        await asyncio.to_thread(server.start)
        async with daemon(file, tmp_path / "andon.log"):
            facts = await until(
                tmp_path, lambda f: sent(f, "summary") >= 2 and f["buffer"]["summaries"] == 0
            )
            assert facts["buffer"]["dead_letters"] == 0
        stored = await rows(server, "SELECT active, state FROM andon_alert WHERE detector='guard'")
        assert [active for _, active, _ in stored] == [True]
        summaries = [at for at, _ in await rows(server, "SELECT last FROM andon_summary")]
        assert len(summaries) == len(set(summaries)) >= 4
        assert {row[1] for row in await rows(server, "SELECT last FROM andon_summary")} == {99}


def write_means_as_text(server):
    # The type of a field is that of a shard, hence of a time.
    text = b'andon_summary,site=plant,line=press,tag=oil mean="text" %d' % time.time_ns()
    urllib.request.urlopen(f"{server.url}/write?db=lines", text, timeout=PATIENCE).close()


async def test_refused_summaries_show_and_arrive_when_the_cause_is_gone(tmp_path, server):
    write_means_as_text(server)
    async with plc() as device:
        file = line_file(tmp_path, device, server)
        async with daemon(file, tmp_path / "andon.log"):
            facts = await until(
                tmp_path, lambda f: f["health"] == "degraded" and sent(f, "alert") == 1
            )
            (why,) = facts["not_ready"]
            assert why.startswith("sink cloud: ")
            assert "field type conflict" in why
            await rows(server, "DROP MEASUREMENT andon_summary")
            # Once nothing is refused any more.
            before = sent(facts, "summary")
            await until(tmp_path, lambda f: sent(f, "summary") > before)
            socket = tmp_path / "state" / "control.sock"
            requeued = (await request(socket, "/buffer/requeue", {"ids": None}))["requeued"]
            assert requeued
            facts = await until(
                tmp_path, lambda f: f["health"] == "ok" and f["buffer"]["summaries"] == 0
            )
            assert (facts["not_ready"], facts["buffer"]["dead_letters"]) == ([], 0)
        times = [at for at, _ in await rows(server, "SELECT mean FROM andon_summary")]
        # Every second since the first one, without a gap.
        assert times == list(range(times[0], times[-1] + SECOND, SECOND))
        log = [json.loads(row) for row in (tmp_path / "andon.log").read_text().splitlines()]
        assert sum(entry["event"] == "sink.rejected" for entry in log) == 1
        assert sum(entry["event"] == "sink.accepts_again" for entry in log) == 1
        assert [e["what"] != "" for e in log if e["event"] == "points.given_up"] == [True, False]


def opened(server, **options):
    given = {"url": server.url, "version": 1, "database": "lines"} | options
    return InfluxSink("cloud", InfluxOptions(**given), Places(None, None))


def points(*times, **fields):
    return [
        Envelope(Kind.SUMMARY, at, encode(Point("m", {"n": str(n)}, fields or {"x": 1.0}, at)))
        for n, at in enumerate(times)
    ]


async def test_a_backlog_half_beyond_the_retention_takes_a_handful_of_requests(tmp_path, server):
    await rows(server, "CREATE RETENTION POLICY hour ON lines DURATION 1h REPLICATION 1 DEFAULT")
    now = time.time_ns()
    old = [now - 7200 * SECOND + n for n in range(2500)]
    batch = points(*(at for pair in zip(old, range(now, now + 2500), strict=True) for at in pair))
    sink = opened(server)
    async with sink.open():
        before = await requests(server)
        with pytest.raises(SinkRejected, match="beyond retention policy") as caught:
            await sink.write(batch)
        assert await requests(server) - before <= 8
    assert set(caught.value.which) == set(range(0, 5000, 2))
    assert await rows(server, "SELECT COUNT(x) FROM m") == [[0, 2500]]


async def requests(server):
    """How many write requests the server has counted."""
    body = urllib.parse.urlencode({"q": "SHOW STATS FOR 'httpd'"}).encode()

    def ask():
        with urllib.request.urlopen(f"{server.url}/query", body, timeout=PATIENCE) as answer:
            series = json.load(answer)["results"][0]["series"][0]
        return dict(zip(series["columns"], series["values"][0], strict=True))["writeReq"]

    return await asyncio.to_thread(ask)


async def test_a_named_retention_policy_is_written_to(server):
    await rows(server, "CREATE RETENTION POLICY week ON lines DURATION 7d REPLICATION 1")
    sink = opened(server, retention_policy="week")
    async with sink.open():
        await sink.write(points(time.time_ns()))
        assert (await sink.probe()).message == "database lines answers"
    assert await rows(server, "SELECT COUNT(x) FROM lines.week.m") == [[0, 1]]
    assert await rows(server, "SELECT COUNT(x) FROM lines.autogen.m") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"database": "nosuch"}, '404 Not Found: database not found: "nosuch"'),
        ({"retention_policy": "nosuch"}, "retention policy not found: nosuch"),
        (
            {"version": 2, "bucket": "lines", "database": ""},
            "this is InfluxDB 1: give `version: 1`",
        ),
    ],
)
async def test_what_only_a_person_can_correct_is_said(server, options, words):
    sink = opened(server, **options)
    async with sink.open():
        with pytest.raises(SinkUnavailable) as caught:
            await sink.write(points(time.time_ns()))
        assert caught.value.needs_human
        assert words in str(caught.value)
        # A request without points is not refused for its retention policy.
        if "retention_policy" not in options:
            probe = await sink.probe()
            assert (probe.ok, words in probe.message) == (False, True)


async def test_the_good_points_of_a_refused_request_are_stored(server):
    now = time.time_ns()
    sink = opened(server)
    async with sink.open():
        await sink.write(points(now))
        batch = [*points(now + 1, now + 2), *points(now + 3, x="text"), *points(now + 4)]
        with pytest.raises(SinkRejected, match="field type conflict") as caught:
            await sink.write(batch)
    assert caught.value.which == (2,)
    assert await rows(server, "SELECT COUNT(x) FROM m") == [[0, 4]]


async def test_a_request_that_is_too_large_is_halved(tmp_path):
    with servers.influxdb(tmp_path, "max-body-size = 2000") as server:
        servers.create_database(server, "lines")
        sink = opened(server, gzip=False)
        async with sink.open():
            await sink.write(points(*range(10**18, 10**18 + 500)))
        assert await rows(server, "SELECT COUNT(x) FROM m") == [[0, 500]]


async def test_user_and_password_are_checked_and_never_shown(tmp_path, monkeypatch):
    with servers.influxdb(tmp_path, "auth-enabled = true") as server:
        admin = {"u": "root", "p": "x"}
        influxql(server, "CREATE USER root WITH PASSWORD 'x' WITH ALL PRIVILEGES")
        for query in ("CREATE DATABASE lines", "CREATE USER andon WITH PASSWORD 'gähe:im'"):
            influxql(server, query, **admin)
        secret = Secret("${env:INFLUX_PASSWORD}")
        cases = [
            ({}, None, "401 Unauthorized: unable to parse authentication credentials"),
            ({"username": "andon", "password": secret}, "falsch", "401 Unauthorized"),
            ({"username": "andon", "password": secret}, "gähe:im", "not authorized to write"),
        ]
        for options, password, words in cases:
            monkeypatch.setenv("INFLUX_PASSWORD", password or "")
            sink = opened(server, **options)
            async with sink.open():
                with pytest.raises(SinkUnavailable, match=words) as caught:
                    await sink.write(points(time.time_ns()))
                assert caught.value.needs_human
                assert (await sink.probe()).ok is False
            assert password is None or password not in str(caught.value)
        influxql(server, "GRANT WRITE ON lines TO andon", **admin)
        async with sink.open():
            assert (await sink.probe()).ok
            await sink.write(points(time.time_ns()))
        assert influxql(server, "SELECT COUNT(x) FROM m", db="lines", **admin) == [[0, 1]]


async def test_alerts_beyond_the_retention_stay_a_fault(tmp_path, server):
    await rows(server, "CREATE RETENTION POLICY hour ON lines DURATION 1h REPLICATION 1 DEFAULT")
    options = SimpleNamespace(max_bytes=10**9, max_age=2**62)
    old = [time.time_ns() - 7200 * SECOND + n for n in range(4)]
    alerts = [Envelope(Kind.ALERT, at, encode(Point("m", {}, {"x": 1.0}, at))) for at in old]
    handling = StoredPoints("plant", "press")
    sinks, sink = {"cloud": frozenset(Kind)}, opened(server)
    async with (
        open_buffer(tmp_path / "b.db", options, sinks, handling=handling) as buffer,
        sink.open(),
    ):
        task = asyncio.create_task(Forwarder("cloud", sink, buffer, pace=Pace()).run())
        await buffer.append(alerts)
        async with asyncio.timeout(PATIENCE):
            while not (stats := await buffer.stats())["given_up_why"]:
                await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert "sink cloud: 4 alerts refused since" in stats["given_up_why"][0]
    assert "beyond retention policy" in stats["given_up_why"][0]
