import asyncio
import threading

import numpy as np
import pytest
from fakes import Broken, LastValue
from patience import PATIENCE

from gateway.api.model import SECOND, Window
from gateway.core.wait_limits import SCORING_S
from gateway.line import scorer as module
from gateway.line.scorer import Scorer
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.timings import Timings

ROW = Window(SECOND, SECOND, np.array([[7.0]]), np.array([[True]]))


class Threads(LastValue):
    """Notes the thread of each call."""

    def score(self, windows):
        self.calls.append(threading.current_thread().name)
        return super().score(windows)[:0]


async def test_a_detector_that_fails_costs_its_own_scores_alone():
    scorer = Scorer({"good": LastValue("flow"), "bad": Broken("flow")}, Timings("l"))
    scored = {s.detector: s for s in await scorer.score({"bad": [ROW], "good": [ROW, ROW]})}
    assert [score.values.tolist() for score in scored["good"].scores] == [[7.0], [7.0]]
    assert isinstance(scored["bad"].scores, RuntimeError)


async def test_all_calls_are_in_one_worker_thread():
    one, other = Threads("flow"), Threads("flow")
    scorer = Scorer({"one": one, "other": other}, Timings("l"))
    for _ in range(3):
        await scorer.score({"one": [ROW], "other": [ROW]})
    names = {name for name in (*one.calls, *other.calls) if isinstance(name, str)}
    assert len(names) == 1
    assert names != {threading.current_thread().name}


async def test_a_replay_scores_in_its_own_thread():
    one = Threads("flow")
    await Scorer({"one": one}, Timings("l"), in_thread=False).score({"one": [ROW]})
    assert one.calls[0] == threading.current_thread().name


async def test_how_long_a_detector_took_is_counted():
    timings = Timings("l")
    await Scorer({"one": LastValue("flow")}, timings).score({"one": [ROW, ROW]})
    count = timings.registry.get_sample_value(
        "andon_model_inference_duration_seconds_count", {"line": "l", "detector": "one"}
    )
    assert count == 1


class Held(LastValue):
    """Scores when it is let go."""

    def __init__(self, *tags):
        super().__init__(*tags)
        self.let_go = threading.Event()

    def score(self, windows):
        assert self.let_go.wait(PATIENCE)
        return super().score(windows)


class Bench:
    """A scorer with a table whose time is made by hand."""

    def __init__(self, patience=0.05, **detectors):
        self.now = 0.0
        self.beats = Heartbeats(lambda: self.now)
        self.detectors = detectors
        parts = {name: self.beats.part(f"detector {name}") for name in detectors}
        self.scorer = Scorer(detectors, Timings("l"), parts, patience=patience)

    async def score(self, *names):
        """How many windows of which detector came back from a tick in which these were due."""
        scored = await self.scorer.score({name: [ROW] for name in names})
        return [(each.detector, len(each.windows)) for each in scored]

    async def until(self, *expected):
        """Ticks without windows until these scores are there."""
        came = []
        async with asyncio.timeout(PATIENCE):
            while len(came) < len(expected):
                came += await self.score()
                await asyncio.sleep(0.01)
        assert sorted(came) == sorted(expected)


async def test_scores_that_come_late_are_given_to_a_later_tick_with_their_windows():
    slow = Held("flow")
    bench = Bench(slow=slow)
    assert await bench.score("slow") == []
    assert await bench.score("slow") == []
    assert await bench.score("slow") == []
    slow.let_go.set()
    await bench.until(("slow", 1), ("slow", 2))
    assert slow.calls == [1, 2], "the windows that waited are scored in one call"


async def test_a_tick_does_not_wait_again_for_a_call_that_was_not_done_in_time():
    bench, loop = Bench(patience=0.3, slow=Held("flow")), asyncio.get_running_loop()
    began = loop.time()
    await bench.score("slow")
    assert loop.time() - began >= 0.29
    began = loop.time()
    await bench.score("slow")
    assert loop.time() - began < 0.25


async def test_a_slow_detector_does_not_keep_the_others_from_their_turn():
    slow = Held("flow")
    bench = Bench(slow=slow, quick=LastValue("flow"))
    for _ in range(3):
        await bench.score("slow", "quick")
    slow.let_go.set()
    await bench.until(("slow", 1), ("quick", 3), ("slow", 2))
    assert bench.detectors["quick"].calls == [3]


async def test_a_detector_that_is_stuck_is_named_and_the_others_score_on():
    stuck = Held("flow")
    bench = Bench(stuck=stuck, good=LastValue("flow"))
    await bench.score("stuck", "good")
    bench.now += SCORING_S
    assert await bench.score("good") == []
    assert list(bench.scorer.stuck()) == []
    bench.now += 1
    await bench.until(("good", 2))
    assert list(bench.scorer.stuck()) == [("stuck", "stuck scoring 1 window for 21 s")]
    assert [str(each) for each in bench.beats.stuck()] == [
        "detector stuck: scoring 1 window for 21 s, limit 20 s"
    ]
    assert await bench.score("good", "stuck") == [("good", 1)]
    stuck.let_go.set()
    await bench.until(("stuck", 1), ("stuck", 1))
    assert list(bench.scorer.stuck()) == []
    assert bench.beats.stuck() == []
    assert await bench.score("stuck", "good") == [("stuck", 1), ("good", 1)]


async def test_all_detectors_may_be_stuck_each_in_a_thread_of_its_own():
    bench = Bench(a=Held("flow"), b=Held("flow"), c=Held("flow"))
    await bench.score("a", "b", "c")
    for _ in range(3):
        bench.now += SCORING_S + 1
        await bench.score("a", "b", "c")
    assert [name for name, _ in bench.scorer.stuck()] == ["a", "b", "c"]
    for detector in bench.detectors.values():
        detector.let_go.set()
    async with asyncio.timeout(PATIENCE):
        while sum(map(sum, (d.calls for d in bench.detectors.values()))) < 12:
            await bench.score()
            await asyncio.sleep(0.01)
    assert list(bench.scorer.stuck()) == []


@pytest.mark.parametrize(("rows", "kept"), [(1, 9), (100, 2)])
async def test_what_waits_for_a_busy_detector_is_bounded_by_its_memory(monkeypatch, rows, kept):
    monkeypatch.setattr(module, "WAITING_BYTES", 2_000)
    big = Window(0, SECOND, np.zeros((rows, 1)), np.zeros((rows, 1), dtype=bool))
    busy = Held("flow")
    bench = Bench(busy=busy)
    await bench.score("busy")
    for _ in range(9):
        await bench.scorer.score({"busy": [big]})
    dropped = 9 - kept
    assert bench.scorer.take_dropped() == ({"busy": dropped} if dropped else {})
    assert bench.scorer.take_dropped() == {}
    busy.let_go.set()
    await bench.until(("busy", 1), ("busy", kept))
