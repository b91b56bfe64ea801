"""What the watch says of stuck parts, and to systemd; its rounds are made by hand or are real."""

import asyncio
import socket
import threading

import pytest
import structlog
from patience import PATIENCE

from gateway.telemetry import watch as module
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.watch import Watch


@pytest.fixture
def told(monkeypatch):
    """What systemd was told, a list of words for each time."""
    words = []
    monkeypatch.setattr(module, "notify", lambda *each: words.append(list(each)))
    return words


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def beats(clock):
    return Heartbeats(clock)


async def later(clock, seconds):
    """The event loop answers, and then time passes."""
    await asyncio.sleep(0)
    clock.now += seconds


async def test_a_part_is_logged_once_when_stuck_and_once_when_it_goes_on(beats, told, clock):
    watch, sink = Watch(beats, "l: ok"), beats.part("sink cloud")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            sink.does("sending 3 points", 30)
            for _ in range(40):
                await later(clock, 1)
                watch.look()
            sink.rest()
            watch.look()
    assert [(each["event"], each["part"]) for each in logs] == [
        ("part.stuck", "sink cloud"),
        ("part.goes_on", "sink cloud"),
    ] * 2
    assert logs[0]["why"] == "sending 3 points for 31 s, limit 30 s"
    assert logs[0]["log_level"] == "error"
    assert beats.hangs == {"sink cloud": 2}


async def test_the_watchdog_starves_only_for_what_a_restart_helps(beats, told, clock):
    watch = Watch(beats, "l: degraded")
    beats.part("sink cloud").does("sending 3 points", 30)
    await later(clock, 31)
    watch.look()
    assert told[-1] == ["STATUS=l: degraded", "WATCHDOG=1"]
    beats.part("line", restart_helps=True).does("ticking", 15)
    await later(clock, 16)
    watch.look()
    assert told[-1] == ["STATUS=l: degraded"]
    beats.part("line").beat()
    watch.look()
    assert told[-1] == ["STATUS=l: degraded", "WATCHDOG=1"]


async def test_an_event_loop_that_answers_nobody_is_named_with_what_blocks_it(monkeypatch, told):
    monkeypatch.setattr(module, "EVENT_LOOP_S", 0.05)
    monkeypatch.setattr(module, "EVERY_S", 0.02)
    lags, stuck = [], threading.Event()
    real = Heartbeats()

    def blocks_the_loop():
        assert stuck.wait(PATIENCE)

    with structlog.testing.capture_logs() as logs, Watch(real, "l: ok") as watch:
        watch.report_on(lambda: "l: ok", lags.append)
        monkeypatch.setattr(watch, "_say", lambda each, say=watch._say: (say(each), stuck.set()))
        blocks_the_loop()
        async with asyncio.timeout(PATIENCE):
            while not [each for each in logs if each["event"] == "part.goes_on"]:
                await asyncio.sleep(0.01)
    (entry,) = [each for each in logs if each["event"] == "part.stuck"]
    assert entry["part"] == "event loop"
    assert "blocks_the_loop" in entry["at"]
    assert "test_watch.py:" in entry["at"]
    assert max(lags) > 0.05
    assert ["STATUS=l: ok"] in told, "the watchdog starves meanwhile"


async def test_a_process_that_was_frozen_says_so_and_calls_nothing_stuck(beats, told, clock):
    watch = Watch(beats, "l: ok")
    beats.part("line", restart_helps=True).does("ticking", 15)
    clock.now += 600
    with structlog.testing.capture_logs() as logs:
        watch._note_pause(599.0)
        await asyncio.sleep(0)
        watch.look()
    assert logs == [{"event": "process.paused", "log_level": "warning", "seconds": 599.0}]
    assert told[-1] == ["STATUS=l: ok", "WATCHDOG=1"]


async def test_no_error_ends_the_watch(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    calls, failed = [], threading.Event()

    def words():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a bug")
        if len(calls) == 3:
            failed.set()
        return "l: ok"

    with structlog.testing.capture_logs() as logs, Watch(Heartbeats(), "") as watch:
        watch.report_on(words, lambda _: None)
        assert await asyncio.to_thread(failed.wait, PATIENCE)
    assert [each["event"] for each in logs] == ["watch.failed"]


async def test_a_watch_ends_with_its_context_and_its_loop(monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    with Watch(Heartbeats(), "l: ok") as watch:
        assert watch._thread.is_alive()
        assert watch._thread.daemon
    assert not watch._thread.is_alive()


def test_a_loop_that_is_closed_is_not_asked_any_more(told, beats, clock):
    async def made():
        return Watch(beats, "l: ok")

    watch = asyncio.run(made())
    watch.look()
    clock.now += 3600
    watch.look()
    assert beats.stuck() == []


async def test_systemd_hears_the_words_and_that_the_daemon_lives(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        with Watch(Heartbeats(), "press-3: starting"):
            got = await asyncio.to_thread(manager.recv, 4096)
    assert got.decode().split("\n") == ["STATUS=press-3: starting", "WATCHDOG=1"]
