"""What the daemon says of itself: nothing to judge is not the same as not being able to."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import batch, tag

from gateway.api.model import SECOND, Score
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import DetectorHealth, Health
from gateway.telemetry.heartbeats import Heartbeats
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
    assert "detector pump: blind: no data for flow" in health.unready()


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


class Sink:
    name, up, error, is_local = "cloud", True, "", False


def well():
    """The health of a line of which all parts work, and its clock."""
    clock = SimpleNamespace(now=1000.0)
    beats = Heartbeats(lambda: clock.now)
    health = Health("press-3", "berlin", TAGS, FreshnessWatch(TAGS, 5.0, 3.0), beats)
    health.sources["plc"].note_up()
    health.detectors = {"pump": DetectorHealth("pump", state="ok")}
    health.deliveries = {"cloud": Sink()}
    assert (health.overall, health.unready(), health.words) == ("ok", [], "press-3: ok")
    return health, clock


def test_a_sink_that_is_stuck_degrades_the_line_and_is_not_ready():
    health, clock = well()
    health.beats.part("sink cloud").does("sending 12 points", 30)
    clock.now += 34
    why = "sink cloud: sending 12 points for 34 s, limit 30 s"
    assert (health.overall, health.unready()) == ("degraded", [why])
    assert health.words == f"press-3: degraded; {why}"


@pytest.mark.parametrize("part", ["line", "buffer", "event loop"])
def test_nothing_is_judged_while_what_all_depend_on_is_stuck(part):
    health, clock = well()
    health.beats.part(part, restart_helps=True).does("waiting", 15)
    clock.now += 16
    assert (health.overall, health.unready()) == (
        "blind",
        [f"{part}: waiting for 16 s, limit 15 s"],
    )


def test_a_detector_that_is_stuck_is_named_once():
    health, clock = well()
    health.beats.part("detector pump", restart_helps=True).does("scoring 1 window", 20)
    clock.now += 21
    assert health.detectors["pump"].note_stuck("stuck scoring 1 window for 21 s")
    assert not health.detectors["pump"].note_stuck("stuck scoring 1 window for 22 s")
    assert (health.overall, len(health.unready())) == ("blind", 1)
    health.beats.part("detector pump").rest()
    health.detectors["pump"].note_failure("no model")
    assert health.unready() == ["detector pump: failed: no model"]
