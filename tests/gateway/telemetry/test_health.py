"""What the daemon says of itself: nothing to judge is not the same as not being able to."""

import time

import numpy as np
from fakes import batch, tag

from gateway.api.model import SECOND, Score
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import DetectorHealth, Health
from gateway.telemetry.source_health import SourceHealth

TAGS = (tag("flow"),)


def health_with(score):
    health = Health("press-3", "berlin", TAGS, FreshnessWatch(TAGS, 5.0, 3.0))
    health.detectors = {"pump": DetectorHealth("pump")}
    return health, health.detectors["pump"].note(score)


def test_a_detector_that_is_idle_says_why_and_leaves_the_line_well():
    health, news = health_with(Score(0, np.array([np.nan]), 1.0, idle="not running (speed > 1)"))
    pump = health.detectors["pump"]
    assert (news, pump.state, pump.reason) == ("idle", "idle", "not running (speed > 1)")
    assert (pump.score, pump.scored, pump.refused, pump.idle) == (None, 0, 0, 1)
    assert not [why for why in health.unready() if "pump" in why]
    assert health.overall != "blind"


def test_a_detector_that_is_blind_makes_the_line_blind():
    health, news = health_with(Score(0, np.array([np.nan]), 0.0, blind="no data for flow"))
    assert news == "blind"
    assert health.overall == "blind"
    assert "detector pump: blind, no data for flow" in health.unready()


def test_a_value_from_the_future_is_no_last_value_and_no_newest_sample():
    watch = FreshnessWatch(TAGS, 5.0, 3.0)
    health, source, now = Health("l", "s", TAGS, watch), SourceHealth("plc"), time.time_ns()
    for at, age in ((now - 2 * SECOND, 2.0), (now + 7200 * SECOND, 2.0), (now + SECOND, 0.0)):
        sample = batch(at, 5.0)
        watch.push(sample, now)
        health.note_samples(sample, now)
        source.note(sample)
        assert health.last_values(now)[0]["age_s"] == age
    assert source.last_sample_at == now + SECOND
    source.note(batch(now + 7200 * SECOND, 5.0))
    assert source.last_sample_at == now + SECOND


def test_the_tags_with_wrong_times_are_counted_for_the_cloud():
    watch = FreshnessWatch(TAGS, 5.0, 3.0)
    health = Health("l", "s", TAGS, watch)
    for second in range(10):
        now = time.time_ns() + second * SECOND
        watch.push(batch(now - 7200 * SECOND, 5.0), now)
        watch.score(now)
    assert health.gateway_fields(now)["tags_wrong_time"] == 1
    assert health.last_values(now)[0]["reason"] == ("its time is 2 h behind this machine's clock")
