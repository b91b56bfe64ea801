import asyncio
import threading

import numpy as np
import pytest
import structlog
from fakes import Broken, LastValue, tag
from patience import PATIENCE

from gateway.api.model import SECOND, Window
from gateway.core.freshness import FreshnessWatch
from gateway.core.wait_limits import SCORING_S
from gateway.line import scorer
from gateway.line.detection import Detection
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.tap import Tap
from gateway.telemetry.timings import Timings

NOW = 1_700_000_000 * SECOND
ROW = Window(NOW, SECOND, np.array([[7.0]]), np.array([[True]]))
WATCH = FreshnessWatch([tag("flow")], 5.0, 3.0)


class Held(LastValue):
    """Scores when it is let go."""

    def __init__(self, *tags):
        super().__init__(*tags)
        self.let_go = threading.Event()

    def score(self, windows):
        self.let_go.wait(PATIENCE)
        return super().score(windows)


@pytest.fixture
def held():
    made = Held("flow")
    yield made
    made.let_go.set()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def detection(clock=None, **detectors):
    made = Detection(detectors, Timings("l"), Tap(), Heartbeats(clock or Clock()), in_thread=True)
    made.scorer._patience = 0.05
    return made


async def round_of(made, *names):
    """The detectors whose windows were judged in a tick in which those of `names` were due."""
    scored = await made.score({name: [ROW] for name in names})
    return [name for name, _, _ in made.judge(scored, WATCH, NOW)]


async def test_a_detector_that_fails_says_so_once_and_its_neighbour_is_judged():
    made = detection(bad=Broken("flow"), good=LastValue("flow"))
    with structlog.testing.capture_logs() as logs:
        assert await round_of(made, "bad", "good") == ["good"]
        assert await round_of(made, "bad", "good") == ["good"]
    assert (made.health["bad"].state, made.health["bad"].reason) == (
        "failed",
        "the model is broken",
    )
    assert [entry["event"] for entry in logs] == ["detector.failed", "detector.state"]


async def test_a_detector_that_is_stuck_is_blind_until_it_scores_again(held):
    clock = Clock()
    made = detection(clock, pump=held)
    with structlog.testing.capture_logs() as logs:
        await round_of(made, "pump")
        for _ in range(3):
            clock.now += SCORING_S
            await round_of(made)
        pump = made.health["pump"]
        assert (pump.state, pump.reason) == ("blind", "stuck scoring 1 window for 60 s")
        held.let_go.set()
        async with asyncio.timeout(PATIENCE):
            while not pump.scored:
                await round_of(made)
                await asyncio.sleep(0.01)
    assert (pump.state, pump.reason) == ("ok", "")
    assert [(entry["event"], entry["state"]) for entry in logs] == [
        ("detector.state", "blind"),
        ("detector.state", "ok"),
    ]


async def test_windows_that_are_dropped_count_as_not_judged_and_are_logged_once(held, monkeypatch):
    monkeypatch.setattr(scorer, "WAITING_BYTES", 20)
    made = detection(pump=held)
    with structlog.testing.capture_logs() as logs:
        for _ in range(6):
            await round_of(made, "pump")
    # One is at work, and two wait.
    assert made.health["pump"].refused == 3
    assert logs == [
        {"event": "detector.behind", "log_level": "warning", "detector": "pump",
         "windows_dropped": 1},
    ]  # fmt: skip
