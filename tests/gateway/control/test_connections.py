"""A client that reads slowly is let go, and costs nobody else anything."""

import asyncio
import json
import logging
import socket
import time

import pytest
import structlog
from aiohttp import web
from fakes import tag
from patience import PATIENCE

from gateway.api.contracts import Places
from gateway.api.model import SECOND
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.control import connections, tap_routes
from gateway.control.client import ControlError, request, subscribe
from gateway.control.server import SOCKET, serve
from gateway.control.turns import TURNS
from gateway.core.freshness import FreshnessWatch
from gateway.line.line import Line
from gateway.telemetry import tap as tapping
from gateway.telemetry.health import Health

HUGE = bytes(50_000_000)


@pytest.fixture
def health():
    tags = [tag("flow")]
    return Health("l", "s", tags, FreshnessWatch(tags, 5.0, 3.0))


def serving(health, folder, routes=()):
    return serve(
        health, lambda: HUGE, lambda: 0,
        host="127.0.0.1", port=0, socket=folder / SOCKET, routes=routes,
    )  # fmt: skip


async def until(fits):
    async with asyncio.timeout(PATIENCE):
        while not fits():
            await asyncio.sleep(0.01)


async def test_who_does_not_take_an_answer_is_let_go(health, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "LIFE_S", 0.3)
    async with serving(health, tmp_path) as port:
        with socket.create_connection(("127.0.0.1", port)) as asker:
            asker.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: health.services["health"].ended["slow"] == 1)
            await until(lambda: health.services["health"].open == 0)


async def test_who_takes_an_answer_in_time_gets_all_of_it(health, tmp_path):
    async with serving(health, tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    assert answer.endswith(HUGE)
    assert health.services["health"].ended.total() == 0


@pytest.mark.parametrize("ends", [b" HTTP/1.1\r\nHost: andon\r\n\r\n", b""])
async def test_a_request_line_that_is_too_long_is_refused_in_our_words(health, tmp_path, ends):
    async with serving(health, tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"x" * 5000 + ends)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    why = "the request line, or a header, is longer than 4,096 bytes"
    assert json.loads(body) == {"error": why}
    assert health.services["health"].ended["malformed"] == 1


@pytest.fixture
async def line(tmp_path):
    """A line with a tap, its socket open."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    config = LineConfig(
        tmp_path / "l.yaml", "l", "s", file, SecuritySection(), (tag("flow"),),
        Places(tmp_path, tmp_path), "digest",
    )  # fmt: skip
    made = Line(config, {}, None, SECOND, clock=lambda: SECOND)
    monkey = tap_routes.routes(made.tap, config.tags, made.alarm_names)
    async with serving(made.health, tmp_path, monkey):
        yield made


async def test_a_subscriber_who_reads_nothing_is_dropped_and_counted(line, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "LIFE_S", 0.5)
    monkeypatch.setitem(tap_routes._FACTS, "samples", lambda *_: [{"at": "x" * 200_000}])
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(tmp_path / SOCKET))
        asker.sendall(b"GET /tap/samples HTTP/1.1\r\nHost: andon\r\n\r\n")
        await until(lambda: line.health.services["control"].streams == 1)

        def flow():
            line.tap.offer("samples", object())
            return line.health.services["control"].ended["slow"] == 1

        await until(flow)
        await until(lambda: not line.tap._subscribers["samples"])
        await until(lambda: line.health.services["control"].open == 0)


async def test_a_subscriber_who_leaves_without_reading_is_no_error(line, tmp_path, monkeypatch):
    monkeypatch.setitem(tap_routes._FACTS, "samples", lambda *_: [{"at": "x" * 200_000}])
    with structlog.testing.capture_logs() as logs:
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(tmp_path / SOCKET))
            asker.sendall(b"GET /tap/samples HTTP/1.1\r\nHost: andon\r\n\r\n")
            await until(lambda: line.tap._subscribers["samples"])
            (subscriber,) = line.tap._subscribers["samples"]

            def is_held_up():
                line.tap.offer("samples", object())
                return subscriber.dropped > 0

            await until(is_held_up)
        await until(lambda: line.health.services["control"].open == 0)
        await until(lambda: not line.tap._subscribers["samples"])
    assert logs == []
    assert line.health.services["control"].ended.total() == 0


async def test_one_more_subscriber_than_there_may_be_is_refused(line, tmp_path):
    hearing = [asyncio.create_task(first(tmp_path)) for _ in range(tapping.MOST)]
    await until(lambda: len(line.tap._subscribers["alerts"]) == tapping.MOST)
    with pytest.raises(ControlError, match="watch this line already") as refused:
        await first(tmp_path)
    assert refused.value.status == 503
    hearing.pop().cancel()
    await until(lambda: len(line.tap._subscribers["alerts"]) < tapping.MOST)
    hearing.append(asyncio.create_task(first(tmp_path)))
    await until(lambda: len(line.tap._subscribers["alerts"]) == tapping.MOST)
    for each in hearing:
        each.cancel()


async def first(folder):
    async for facts in subscribe(folder / SOCKET, "/tap/alerts", {"glob": "*"}):
        if facts:
            return facts
    return None


async def test_much_that_waits_for_a_subscriber_does_not_hold_up_the_loop(line, tmp_path):
    told = []

    def tell(item, *_):
        told.append(item)
        return [{"n": item}]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tap_routes._FACTS, "samples", tell)
        hearing = asyncio.create_task(all_of(tmp_path))
        await until(lambda: line.tap._subscribers["samples"])
        for number in range(50):
            line.tap.offer("samples", number)
        turns = 0
        while len(told) < 50:
            before = len(told)
            await asyncio.sleep(0)
            turns += 1
            assert len(told) - before <= 1
        assert turns >= 50
        hearing.cancel()


async def all_of(folder):
    async for _ in subscribe(folder / SOCKET, "/tap/samples", {"glob": "*"}):
        pass


async def test_a_bug_of_a_route_is_said_once_with_its_traceback(health, tmp_path):
    async def fail(_request):
        raise ZeroDivisionError("what?")

    with structlog.testing.capture_logs() as logs:
        async with serving(health, tmp_path, [web.get("/fail", fail)]):
            for _ in range(10):
                with pytest.raises(ControlError, match="an unexpected error") as caught:
                    await request(tmp_path / SOCKET, "/fail")
                assert caught.value.status == 500
    said = [entry for entry in logs if entry["event"] == "control.failed"]
    assert [entry.get("times", 1) for entry in said] == [1, 2, 4, 8]
    assert ["exc_info" in entry for entry in said] == [True, False, False, False]
    assert health.services["control"].ended["failed"] == 10


async def test_a_client_that_leaves_during_its_request_is_no_error(health, tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    with structlog.testing.capture_logs() as logs:
        async with serving(health, tmp_path):
            _, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
            head = b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
            writer.write(head)
            await until(lambda: health.services["control"].open == 1)
            writer.transport.abort()
            await until(lambda: health.services["control"].open == 0)
    assert (logs, caplog.records) == ([], [])


async def test_who_waits_for_the_daemon_makes_no_room_for_others(health, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "MOST", 4)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(asked):
        async with asked.app[TURNS].turn(asked):
            begun.set()
            await go_on.wait()
        return web.json_response({"got": "it"})

    async with serving(health, tmp_path, [web.get("/slow", slow)]):
        asking = asyncio.create_task(request(tmp_path / SOCKET, "/slow"))
        await begun.wait()
        flood = [await asyncio.open_unix_connection(str(tmp_path / SOCKET)) for _ in range(40)]
        await until(lambda: health.services["control"].ended["crowded"] >= 30)
        go_on.set()
        assert await asking == {"got": "it"}
        for _, writer in flood:
            writer.transport.abort()


async def test_requests_take_at_most_half_of_the_time(health, tmp_path):
    taken = []

    async def long(asked):
        async with asked.app[TURNS].turn(asked):
            taken.append(("begins", time.monotonic()))
            deadline = time.monotonic() + 0.05
            while time.monotonic() < deadline:
                pass
            taken.append(("ends", time.monotonic()))
        return web.json_response({})

    async with serving(health, tmp_path, [web.get("/long", long)]):
        await asyncio.gather(*(request(tmp_path / SOCKET, "/long") for _ in range(4)))
    assert [word for word, _ in taken] == ["begins", "ends"] * 4
    times = [at for _, at in taken]
    pauses = [begin - end for end, begin in zip(times[1:-1:2], times[2::2], strict=True)]
    assert min(pauses) >= 0.045


async def test_who_has_gone_gets_no_turn(health, tmp_path):
    begun, worked = [], []
    first = asyncio.Event()

    async def work(asked):
        begun.append(1)
        async with asked.app[TURNS].turn(asked):
            worked.append(1)
            await first.wait()
        return web.json_response({})

    async with serving(health, tmp_path, [web.get("/busy", work)]):
        asking = asyncio.create_task(request(tmp_path / SOCKET, "/busy"))
        await until(lambda: worked)
        gone = asyncio.create_task(request(tmp_path / SOCKET, "/busy"))
        await until(lambda: len(begun) == 2)
        gone.cancel()
        await until(lambda: health.services["control"].open == 1)
        first.set()
        assert await asking == {}
        assert await request(tmp_path / SOCKET, "/busy") == {}
    assert len(worked) == 2


async def test_a_question_is_asked_again_when_its_connection_is_closed(tmp_path):
    """A daemon under a flood makes room by closing connections that were slow to ask."""
    times = 0

    async def serve_once(reader, writer):
        nonlocal times
        times += 1
        if times > 2:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"line":"l"}')
        writer.close()

    async with await asyncio.start_unix_server(serve_once, tmp_path / SOCKET):
        assert await request(tmp_path / SOCKET) == {"line": "l"}
        assert times == 3
        times = 0
        assert await request(tmp_path / SOCKET, "/alarms/act", {"alarm": "x"}) is None
        assert times == 1, "an act may have been done"
