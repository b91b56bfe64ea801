"""A model that no longer sees what it was learnt from says so; it never calls that an anomaly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.alarms import Severity
from gateway.api.model import SECOND, Reference, Score, Window, WindowSpec
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.words import Words
from gateway.core.drift import ModelHealth, stability_index

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
TAGS = ("speed", "flow")
EDGES = (-1.28, -0.84, -0.52, -0.25, 0.0, 0.25, 0.52, 0.84, 1.28)
"""Deciles of the standard normal distribution."""
SHARES = (0.1,) * 10


class Model:
    """A detector as far as its health goes; a window a minute."""

    def __init__(self, tags=TAGS, reference=None):
        self.spec = WindowSpec(tags, MINUTE, 1)
        rows = len(tags) + 1
        self.reference = reference or Reference((EDGES,) * rows, (SHARES,) * rows, 2 * HOUR)
        self.alarms = ()


def live(hours, *, shift=(0.0, 0.0), score_shift=0.0, blind=0.0, health=None, seed=1):
    """The alerts of so many hours, and the health itself."""
    rng = np.random.default_rng(seed)
    health = health or ModelHealth({"pump": Model(), "guard": object()}, TAGS)
    machine = AlarmMachine("models", health.alarms, TAGS)
    alerts = []
    for minute in range(round(hours * 60)):
        at = minute * MINUTE
        values = (rng.normal(size=2) + shift)[None]
        judged = rng.random() >= blind
        value = rng.normal() + score_shift if judged else np.nan
        window = Window(at, MINUTE, values, np.ones((1, 2), dtype=np.bool_))
        health.push("pump", window, Score(at, np.array([value]), 1.0))
        health.push("guard", window, Score(at, np.array([value]), 1.0))
        alerts += machine.step(health.score(at))
    return alerts, health


def test_a_process_as_it_was_learnt_says_nothing():
    alerts, health = live(24)
    assert alerts == []
    assert np.isfinite(health.score(0).values).all(), "and there is something to say"


def test_an_input_that_moved_is_named_with_what_to_do():
    (alert,), _ = live(8, shift=(0.0, 2.0))
    assert alert.alarm == "pump.input_drift"
    assert alert.severity is Severity.LOW
    assert alert.top_tags[0].tag == "flow"
    assert alert.top_tags[0].share > 0.9
    assert "retrain it" in alert.message
    assert alert.at >= 2 * HOUR, "nothing is said before there is as much as is compared"


def test_scores_that_moved_are_an_alarm_of_their_own():
    (alert,), _ = live(8, score_shift=2.0)
    assert alert.alarm == "pump.score_drift"
    assert "retrain it" in alert.message


def test_a_model_that_is_often_blind_is_told_whatever_the_reason():
    (alert,), _ = live(6, blind=0.5)
    assert alert.alarm == "pump.blindness"
    assert 0.2 < alert.value <= 1
    assert alert.top_tags == ()
    assert live(6, blind=0.05)[0] == []


def test_a_machine_that_does_not_run_makes_its_model_neither_blind_nor_drift():
    alerts, health = live(3)
    before = {name: array.copy() for name, array in health.memory().items()}
    stopped = Window(0, MINUTE, np.full((1, 2), 9.0), np.ones((1, 2), dtype=np.bool_))
    for minute in range(600):
        health.push(
            "pump", stopped, Score(minute * MINUTE, np.array([np.nan]), 1.0, idle="stopped")
        )
    assert alerts == []
    for name, array in health.memory().items():
        assert np.array_equal(array, before[name])


def test_a_return_to_normal_returns_the_alarm():
    _, health = live(6, shift=(3.0, 0.0))
    drifted = health.score(0).values[0]
    live(24, health=health)
    assert drifted > 1
    assert health.score(0).values[0] < 0.1


def test_a_model_without_distributions_is_only_watched_for_blindness():
    health = ModelHealth({"pump": Model(reference=Reference())}, TAGS)
    alerts, _ = live(6, shift=(5.0, 5.0), blind=0.5, health=health)
    assert [alert.alarm for alert in alerts] == ["pump.blindness"]


def test_it_goes_on_after_a_restart():
    _, before = live(3, shift=(0.0, 2.0))
    after = ModelHealth({"pump": Model(), "guard": object()}, TAGS)
    assert np.isnan(after.score(0).values).all()
    after.recall(before.memory())
    assert np.array_equal(after.score(0).values, before.score(0).values)


def test_the_past_of_another_model_is_left():
    _, before = live(3)
    after = ModelHealth({"pump": Model(tags=("flow",))}, TAGS)
    after.recall(before.memory())
    assert np.isnan(after.score(0).values[:2]).all()


def test_a_normal_distribution_that_moved_by_its_spread_has_an_index_of_one():
    rng = np.random.default_rng(3)
    moved = np.bincount(np.searchsorted(EDGES, rng.normal(1.0, 1.0, 100_000)), minlength=10)
    assert stability_index(SHARES, moved) == pytest.approx(1.0, abs=0.1)


@given(st.lists(st.integers(0, 1000), min_size=10, max_size=10))
def test_the_index_is_zero_for_equal_spreads_finite_and_never_negative(counts):
    now = np.array(counts, dtype=np.float64)
    assert np.isfinite(stability_index(SHARES, now))
    assert stability_index(SHARES, now) >= 0
    if now.sum():
        assert stability_index(now, now) == pytest.approx(0, abs=1e-9)


def pushed(health, count, value=0.0, score=0.0, name="pump"):
    """So many windows whose last row has this value in each tag."""
    window = Window(0, MINUTE, np.full((1, 2), value), np.ones((1, 2), dtype=np.bool_))
    for _ in range(count):
        health.push(name, window, Score(0, np.array([score]), 1.0))
    return health


def health_of(**models):
    return ModelHealth(models, TAGS)


def test_blindness_is_unknown_before_an_hour_was_watched():
    health = health_of(pump=Model())
    pushed(health, 59, score=np.nan)
    assert np.isnan(health.score(0).values[2])
    pushed(health, 1, score=np.nan)
    assert health.score(0).values[2] == 1.0


def test_the_share_of_blind_windows_halves_with_each_hour():
    health = pushed(health_of(pump=Model()), 60, score=np.nan)
    pushed(health, 60)
    blindness = health.score(0).values[2]
    assert blindness == pytest.approx(1 / 3, abs=1e-3)


def test_drift_is_unknown_before_as_much_was_watched_as_was_learnt():
    health = pushed(health_of(pump=Model()), 119)
    assert np.isnan(health.score(0).values[:2]).all()
    assert np.isfinite(pushed(health, 1).score(0).values[:2]).all()


@pytest.mark.parametrize(("span", "minutes"), [(HOUR // 2, 60), (100 * HOUR, 24 * 60)])
def test_the_recent_past_is_at_least_an_hour_and_at_most_a_day(span, minutes):
    reference = Reference((EDGES,) * 3, (SHARES,) * 3, span)
    health = pushed(health_of(pump=Model(reference=reference)), minutes - 1)
    assert np.isnan(health.score(0).values[0])
    assert np.isfinite(pushed(health, 1).score(0).values[0])


def test_windows_that_could_not_be_judged_are_not_compared():
    health = pushed(health_of(pump=Model()), 120)
    before = health.score(0).values.copy()
    pushed(health, 50, value=9.0, score=np.nan)
    assert health.score(0).values[:2].tolist() == before[:2].tolist()


def test_a_value_that_is_missing_is_compared_with_nothing():
    health = health_of(pump=Model())
    window = Window(0, MINUTE, np.array([[np.nan, 0.1]]), np.array([[False, True]]))
    for _ in range(120):
        health.push("pump", window, Score(0, np.array([0.1]), 1.0))
    counts = health.memory()["pump.channels"]
    assert counts.shape == (3, 10)
    assert counts[0].sum() == 0
    assert counts[1].argmax() == counts[2].argmax() == 5


def test_every_model_has_its_three_figures_and_each_tag_its_greatest_shift():
    health = health_of(pump=Model(), guard=object(), fan=Model(tags=("flow",)))
    assert [alarm.name for alarm in health.alarms] == [
        f"{name}.{what}"
        for name in ("pump", "fan")
        for what in ("input_drift", "score_drift", "blindness")
    ]
    pushed(health, 120, value=5.0)
    narrow = Window(0, MINUTE, np.full((1, 1), 0.1), np.ones((1, 1), dtype=np.bool_))
    for _ in range(120):
        health.push("fan", narrow, Score(0, np.array([0.1]), 1.0))
    score = health.score(77)
    assert (score.at, score.coverage, len(score.values)) == (77, 1.0, 6)
    assert score.values[2] == score.values[5] == 0.0
    # All of it in one bin of ten: (1 - 0.1) ln(1 / 0.1) and nine of (0.1 - 0.001) ln(0.1 / 0.001).
    everything_in_one = 0.9 * np.log(10) + 9 * 0.099 * np.log(100)
    assert score.values[[0, 1, 3, 4]] == pytest.approx([everything_in_one] * 4)
    assert score.contribution == pytest.approx([everything_in_one] * 2)


def test_the_alarms_are_low_have_hysteresis_and_ten_minutes_of_delay():
    inputs, scores, blindness = health_of(pump=Model()).alarms
    for alarm, limit in ((inputs, 1.0), (scores, 1.0), (blindness, 0.2)):
        assert (alarm.severity, alarm.threshold) == (Severity.LOW, limit)
        assert alarm.hysteresis == pytest.approx(limit / 5)
        assert alarm.on_delay == alarm.off_delay == 10 * MINUTE
    assert inputs.scope == scores.scope == TAGS
    assert blindness.scope is None
    words = Words()
    assert "late, stale or bad" in words.advice(blindness)
    assert words.advice(inputs) == words.advice(scores) == "retrain it on recent normal running"


def test_what_a_restart_must_not_forget_has_names_that_do_not_change():
    memory = pushed(health_of(pump=Model()), 3).memory()
    assert {name: array.shape for name, array in memory.items()} == {
        "pump.sight": (2,),
        "pump.sight_watched": (1,),
        "pump.channels": (3, 10),
        "pump.channels_watched": (1,),
    }
    assert memory["pump.sight_watched"].dtype == np.int64
    assert memory["pump.sight_watched"].tolist() == [3 * MINUTE]
    assert memory["pump.sight"][1] == pytest.approx(3, abs=0.1)


def test_the_memory_is_a_copy():
    health = pushed(health_of(pump=Model()), 3)
    memory = health.memory()
    pushed(health, 1)
    assert memory["pump.sight_watched"].tolist() == [3 * MINUTE]


def test_half_of_a_memory_is_left():
    memory = pushed(health_of(pump=Model()), 120).memory()
    del memory["pump.sight"]
    after = health_of(pump=Model())
    after.recall(memory)
    assert np.isnan(after.score(0).values).all()


def test_the_index_of_counts_by_hand():
    # Shares 0.5, 0.5 then; 0.8, 0.2 now.
    expected = 0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5)
    assert stability_index((5, 5), np.array([8.0, 2.0])) == pytest.approx(expected)
    assert stability_index((0.5, 0.5), np.array([0.08, 0.02])) == pytest.approx(expected)
    nothing = 2 * (0.001 - 0.5) * np.log(0.001 / 0.5)
    assert stability_index((5, 5), np.zeros(2)) == pytest.approx(nothing)
