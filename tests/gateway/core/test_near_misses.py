"""Which scores of models are near misses. Hand-made time."""

import numpy as np
import pytest
from fakes import LastValue

from gateway.api.model import SECOND as S
from gateway.api.model import Reference, Score
from gateway.core.near_misses import NearMisses

T0 = 1_700_000_000 * S


def model(**alarm):
    detector = LastValue("flow", "level", **alarm)
    detector.reference = Reference()
    return detector


def misses(*values, detector=None, near=None, step=S):
    near = near or NearMisses({"pump": detector or model()})
    found = []
    for second, value in enumerate(values):
        at = T0 + second * step
        score = Score(at, np.array([value]), 1.0, contribution=np.array([0.0, 1.0]))
        found += near.push("pump", score)
    return found


def test_a_score_that_came_near_and_went_back_is_one_with_the_tags_of_its_peak():
    (miss,) = misses(5.0, 9.1, 9.8, 9.2, 5.0, 5.0)
    assert (miss.at, miss.tags) == (T0 + 2 * S, ("level",))
    assert miss.id.startswith("pump.anomaly~")


@pytest.mark.parametrize(
    "values",
    [
        (5.0, 8.9, 5.0),
        (5.0, 9.5, 9.5),
        (5.0, 9.5, 11.0, 9.5, 5.0),
        (5.0, 11.0, 9.5, 5.0),
        (9.5, np.nan, np.nan),
    ],
)
def test_what_is_not_near_lasts_or_became_an_alarm_is_none(values):
    assert misses(*values) == []


def test_a_score_that_cannot_be_judged_is_no_return():
    assert len(misses(9.5, np.nan, 9.6, 5.0)) == 1


def test_there_is_at_most_one_an_hour():
    assert len(misses(9.5, 5.0, 9.5, 5.0)) == 1
    assert len(misses(9.5, 5.0, 9.5, 5.0, step=1800 * S)) == 2


def test_only_models_with_a_threshold_above_0_are_watched():
    assert misses(9.5, 5.0, detector=LastValue("flow", "level")) == []
    assert misses(-1.0, -5.0, detector=model(threshold=-1.0)) == []
    assert misses(9.5, 20.0, detector=model(below=True)) == []
