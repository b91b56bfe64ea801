import threading

import numpy as np
from fakes import Broken, LastValue

from gateway.api.model import SECOND, Window
from gateway.line.scorer import Scorer
from gateway.telemetry.timings import Timings

ROW = Window(SECOND, SECOND, np.array([[7.0]]), np.array([[True]]))


class Threads(LastValue):
    """Notes the thread of each call."""

    def score(self, windows):
        self.calls.append(threading.current_thread().name)
        return super().score(windows)[:0]


async def test_a_detector_that_fails_costs_its_own_scores_alone():
    scorer = Scorer({"good": LastValue("flow"), "bad": Broken("flow")}, Timings("l"))
    scored = await scorer.score({"bad": [ROW], "good": [ROW, ROW]})
    assert [score.values.tolist() for score in scored["good"]] == [[7.0], [7.0]]
    assert isinstance(scored["bad"], RuntimeError)


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
