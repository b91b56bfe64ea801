"""What the daemon says of itself: nothing to judge is not the same as not being able to."""

import numpy as np
from fakes import tag

from gateway.api.model import Score
from gateway.core.freshness import FreshnessWatch
from gateway.telemetry.health import DetectorHealth, Health

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
