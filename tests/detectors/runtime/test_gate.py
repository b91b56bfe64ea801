"""A gate: idle while the machine does not run, blind while that is unknown, else transparent."""

import bundles
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.runtime.gate import LONGEST, Gate
from detectors.runtime.limits import LimitsDetector, LimitsOptions
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Reference, Score, Tag, WindowSpec

TAGS = bundles.TAGS | {"valve": Tag("valve", "plc", SECOND, names={1.0: "open"})}
OWN = WindowSpec(("flow", "pressure"), SECOND, 3)
BLANK = Score(0, np.full(2, np.nan), 0.0, "m@1")


def gate(*when, settle=0, own=OWN, judged=3):
    return Gate("pump", when, settle, TAGS, own, judged)


def through(a_gate, values):
    """The score of one window, and the windows that the detector itself received."""
    received = []

    def score(windows):
        received.extend(windows)
        return [
            Score(w.end, np.array([1.0, 2.0]), 1.0, contribution=np.array([0.25, 0.75]),
                  expected=w.values[-1], actual=w.values[-1])
            for w in windows
        ]  # fmt: skip

    [result] = a_gate.judge([bundles.window(np.array(values, dtype=float))], score, BLANK)
    return result, received


def window(speed):
    """Rows with constant flow and pressure, and this speed in each row."""
    return [[5.0, 2.0, each] for each in speed]


def test_without_conditions_a_gate_does_nothing():
    assert gate().spec is OWN
    result, received = through(gate(), [[5, 2]] * 3)
    assert (result.idle, result.blind, len(received)) == ("", "", 1)


def test_the_window_includes_the_tags_and_the_settling_time_of_the_gate():
    assert gate("speed > 100", settle=2 * SECOND).spec == WindowSpec(
        ("flow", "pressure", "speed"), SECOND, 5
    )
    assert gate("flow > 1").spec.tags == ("flow", "pressure"), "a tag of the detector itself"
    assert gate("speed > 1", "speed < 9").spec.tags == ("flow", "pressure", "speed")


def test_through_an_open_gate_the_detector_gets_only_its_own_rows_and_tags():
    values = window([200, 200, 200, 200, 200])
    result, [received] = through(gate("speed > 100", settle=2 * SECOND), values)
    assert received.values.tolist() == [[5.0, 2.0]] * 3
    assert (received.end, received.period) == (result.at, SECOND)
    assert (result.idle, result.blind) == ("", "")
    assert result.values.tolist() == [1.0, 2.0]
    assert result.contribution.tolist() == [0.25, 0.75, 0.0]
    assert result.expected[:2].tolist() == [5.0, 2.0]
    assert np.isnan(result.expected[2])
    assert np.isnan(result.actual[2])


def test_a_shut_gate_gives_no_score_and_a_reason_with_the_condition_in_its_unit():
    result, received = through(gate("speed > 100"), window([200, 200, 90]))
    assert result.idle == "not running (speed > 100 rpm is false)"
    assert (result.blind, received, result.model) == ("", [], "m@1")
    assert np.isnan(result.values).all()
    assert result.values.shape == (2,)


def test_after_a_start_the_gate_settles_and_reports_its_progress():
    result, received = through(
        gate("speed > 100", settle=2 * SECOND), window([0, 0, 200, 200, 200])
    )
    assert result.idle == "settling (speed > 100 rpm for 3 s of 5 s)"
    assert not received


@pytest.mark.parametrize("speed", [[200, 200, np.nan], [np.nan] * 3, [np.nan, np.nan, 200]])
def test_a_gate_without_data_is_blind(speed):
    result, received = through(gate("speed > 100"), window(speed))
    assert result.blind == "no data for speed, which `when` needs"
    assert (result.idle, received) == ("", [])


def test_a_short_gap_takes_the_value_of_the_row_before_it():
    assert through(gate("speed > 1", settle=3 * SECOND), window([9, 9, np.nan, 9, 9, 9]))[1]
    assert not through(gate("speed > 1", settle=3 * SECOND), window([9, 0, np.nan, 9, 9, 9]))[1]


def test_all_conditions_must_hold_and_a_false_one_is_named():
    both = gate("speed > 100", "valve == 1")
    rows = [[5.0, 2.0, 200.0, 0.0]] * 3
    assert through(both, rows)[0].idle == "not running (valve == 1 (open) is false)"
    # A condition that is known to be false decides, even if another is unknown.
    unknown = [[5.0, 2.0, np.nan, 0.0]] * 3
    assert through(both, unknown)[0].idle == "not running (valve == 1 (open) is false)"
    assert through(both, [[5.0, 2.0, 200.0, np.nan]] * 3)[0].blind.startswith("no data for valve")


@given(
    st.lists(st.lists(st.sampled_from([0.0, 200.0, np.nan]), min_size=5, max_size=5), min_size=1)
)
def test_windows_are_independent_and_scored_only_if_the_machine_ran_throughout(speeds):
    a_gate = gate("speed > 100", settle=2 * SECOND)
    windows = [bundles.window(np.array(window(speed))) for speed in speeds]
    score = lambda part: [Score(w.end, np.zeros(2), 1.0) for w in part]  # noqa: E731
    together = a_gate.judge(windows, score, BLANK)
    for each, result, speed in zip(windows, together, speeds, strict=True):
        [alone] = a_gate.judge([each], score, BLANK)
        assert (alone.idle, alone.blind) == (result.idle, result.blind)
        judged = not (result.idle or result.blind)
        assert judged == (bool(np.isfinite(result.values).all()))
        if judged:
            assert 0.0 not in speed
            assert np.isfinite(speed).sum() >= 4


def test_an_unknown_tag_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match=r"detector pump: no tag 'sped'.*did you mean 'speed'"):
        gate("sped > 100")


def test_a_settling_time_needs_a_condition_and_has_a_maximum():
    with pytest.raises(ConfigError, match="settle needs `when`, which is not given"):
        gate(settle=SECOND)
    with pytest.raises(ConfigError, match=f"more than the {LONGEST} allowed: shorten it"):
        gate("speed > 1", settle=LONGEST * SECOND)


def test_a_tag_that_only_the_gate_uses_cannot_drift():
    own = Reference(((0.0,), (1.0,), (2.0,)), ((0.5, 0.5),) * 3, SECOND)
    wide = gate("speed > 1").reference(own)
    assert wide.edges == ((0.0,), (1.0,), (), (2.0,))
    assert wide.shares == ((0.5, 0.5), (0.5, 0.5), (1.0,), (0.5, 0.5))
    assert gate("flow > 1").reference(own) is own
    assert gate("speed > 1").reference(Reference()) == Reference()


def test_limits_are_checked_as_soon_as_the_machine_has_settled_whatever_their_window():
    options = LimitsOptions.model_validate(
        {"type": "limits", "when": "speed > 100", "settle": "2s",
         "tags": {"flow": {"low": 3, "flat_line": "60s"}}}
    )  # fmt: skip
    guard = LimitsDetector("guard", options, TAGS, Places(None, None))
    assert guard.spec.tags == ("flow", "speed")
    rows = np.tile([0.0, 0.0], (guard.spec.length, 1))
    rows[-2:, 1] = 200
    [starting] = guard.score([bundles.window(rows)])
    assert starting.idle == "settling (speed > 100 rpm for 2 s of 3 s)"
    rows[-3:, 1] = 200
    [running] = guard.score([bundles.window(rows)])
    assert guard.alarms[0].exceeded_by(running.values[0])
    assert (running.expected, running.actual[0]) == (None, 0)
    assert running.actual.shape == (2,)
