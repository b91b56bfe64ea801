import numpy as np
import pytest
from pydantic import ValidationError

from detectors.runtime.limits import LimitsDetector, LimitsOptions
from gateway.api.alarms import Severity
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Tag, Window
from gateway.core.alarms.machine import AlarmMachine

TAGS = {
    "flow": Tag("flow", "plc", SECOND, "m3/h"),
    "level": Tag("level", "plc", SECOND, "%"),
    "ambient": Tag("ambient", "broker", 5 * SECOND, "°C"),
}

NAN = float("nan")


def build(tags, tmp_path, **more):
    options = LimitsOptions.model_validate({"type": "limits", "tags": tags, **more})
    return LimitsDetector("guard", options, TAGS, Places(tmp_path, tmp_path))


def window(detector, *columns, end=1_000 * SECOND):
    """A window whose last rows are the given columns; earlier rows were not observed."""
    spec = detector.spec
    values = np.full((spec.length, len(spec.tags)), np.nan)
    for number, column in enumerate(columns):
        values[-len(column) :, number] = column
    start = end - (spec.length - 1) * spec.period
    return Window(start, spec.period, values, ~np.isnan(values))


def values(detector, *columns):
    [score] = detector.score([window(detector, *columns)])
    return dict(zip([alarm.name for alarm in detector.alarms], score.values, strict=True))


def active(detector, *columns):
    [score] = detector.score([window(detector, *columns)])
    return {
        alarm.name
        for alarm, value in zip(detector.alarms, score.values, strict=True)
        if alarm.exceeded_by(value)
    }


FOUR = {"flow": {"high_high": 95, "high": 85, "low": 10, "low_low": 5, "hysteresis": 2}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50, set()),
        (85, set()),
        (86, {"flow.high"}),
        (96, {"flow.high", "flow.high_high"}),
        (10, set()),
        (9, {"flow.low"}),
        (4, {"flow.low", "flow.low_low"}),
    ],
)
def test_a_value_beyond_a_limit_activates_only_that_limit(value, expected, tmp_path):
    assert active(build(FOUR, tmp_path), [value, value]) == expected


def test_thresholds_and_hysteresis_are_in_engineering_units(tmp_path):
    alarms = {alarm.name: alarm for alarm in build(FOUR, tmp_path).alarms}
    assert alarms["flow.high"].threshold == 85
    assert (alarms["flow.low"].threshold, alarms["flow.low"].below) == (10, True)
    assert not alarms["flow.high"].below
    assert {alarm.hysteresis for alarm in alarms.values()} == {2}
    assert {alarm.tag for alarm in alarms.values()} == {"flow"}


def test_outer_limits_are_one_severity_higher_up_to_critical(tmp_path):
    alarms = {a.name: a for a in build(FOUR, tmp_path, severity="high", on_delay="3s").alarms}
    assert alarms["flow.high"].severity is Severity.HIGH
    assert alarms["flow.high_high"].severity is Severity.CRITICAL
    top = build(FOUR, tmp_path, severity="critical").alarms
    assert {alarm.severity for alarm in top} == {Severity.CRITICAL}


def test_a_tags_own_severity_and_delays_take_precedence(tmp_path):
    own = {"flow": {"high_high": 95, "severity": "low", "on_delay": "0s", "off_delay": "9s"}}
    [alarm] = build(own, tmp_path, severity="high", on_delay="3s").alarms
    assert (alarm.severity, alarm.on_delay, alarm.off_delay) == (Severity.LOW, 0, 9 * SECOND)


def test_a_tag_that_was_not_observed_has_no_score(tmp_path):
    detector = build({"flow": {"high": 85}, "level": {"low": 10, "rate_of_change": 1}}, tmp_path)
    scores = values(detector, [50.0, 90.0], [50.0, np.nan])
    assert scores["flow.high"] == 90
    assert np.isnan(scores["level.low"])
    assert np.isnan(scores["level.rate_of_change"])


def test_a_detector_without_data_names_the_missing_tags(tmp_path):
    detector = build(FOUR, tmp_path)
    [score] = detector.score([window(detector, [50.0, np.nan])])
    assert score.blind == "no data for flow"
    assert score.coverage == 0
    assert np.isnan(score.values).all()


def test_a_detector_of_many_tags_without_data_names_a_few_of_them(tmp_path):
    tags = {f"t{n}": Tag(f"t{n}", "plc", SECOND) for n in range(300)}
    options = LimitsOptions.model_validate(
        {"type": "limits", "tags": {name: {"high": 85} for name in tags}}
    )
    detector = LimitsDetector("guard", options, tags, Places(tmp_path, tmp_path))
    [score] = detector.score([window(detector)])
    assert score.blind == "no data for t0, t1, t2, t3, t4 and 295 more"


@pytest.mark.parametrize("direction", [1, -1])
def test_the_rate_of_change_is_absolute_and_per_second(direction, tmp_path):
    detector = build({"flow": {"rate_of_change": 20}}, tmp_path, period="500ms")
    moved = 50.0 + direction * 22
    assert values(detector, [50.0, 50.0, moved])["flow.rate_of_change"] == 22


def test_the_rate_of_a_slow_tag_is_taken_over_its_own_period(tmp_path):
    detector = build({"ambient": {"rate_of_change": 1}}, tmp_path)
    held = [20.0, 20.0, 20.0, 20.0, 20.0, 24.0]
    assert values(detector, held)["ambient.rate_of_change"] == pytest.approx(0.8)


def test_a_rate_needs_two_observed_rows(tmp_path):
    detector = build({"flow": {"rate_of_change": 20}}, tmp_path)
    assert np.isnan(values(detector, [50.0])["flow.rate_of_change"])


def test_a_flat_line_counts_the_seconds_since_the_last_change(tmp_path):
    detector = build({"flow": {"flat_line": "4s"}}, tmp_path)
    assert values(detector, [3.0, 1.0, 1.0, 1.0])["flow.flat_line"] == 2
    assert active(detector, [3.0, 1.0, 1.0, 1.0, 1.0, 1.0]) == set()
    assert active(detector, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]) == {"flow.flat_line"}


def test_the_rounding_of_a_mean_is_not_a_change(tmp_path):
    detector = build({"flow": {"flat_line": "4s"}}, tmp_path)
    rounded = [0.1, 0.1, (0.1 + 0.1 + 0.1) / 3, 0.1, 0.1, 0.1]
    assert rounded[2] != 0.1
    assert active(detector, rounded) == {"flow.flat_line"}


@pytest.mark.parametrize(
    ("course", "seconds"),
    [
        ([3.0, 3.0, 3.0, NAN, 1.0, 1.0], 1),
        ([1.0, 1.0, 3.0, NAN, 1.0, 1.0], 1),
        ([1.0, NAN, 3.0, 1.0, 1.0, 1.0], 2),
        ([1.0, 1.0, 1.0, NAN, 1.0, 1.0], NAN),
        ([1.0, 1.0, NAN, NAN, NAN, 1.0], NAN),
        ([NAN, NAN, 1.0, 1.0, 1.0, 1.0], NAN),
        ([3.0, NAN, 1.0, 1.0, 1.0, NAN], NAN),
        ([NAN, 1.0, 1.0, 1.0, 1.0, 1.0], NAN),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 5),
    ],
)
def test_a_gap_ends_a_flat_line_only_if_the_value_is_another_one_after_it(
    course, seconds, tmp_path
):
    detector = build({"flow": {"flat_line": "4s"}}, tmp_path)
    measured = values(detector, course)["flow.flat_line"]
    assert measured == pytest.approx(seconds, nan_ok=True)


def test_an_alarm_of_a_flat_line_stays_over_a_gap_in_which_nothing_may_have_changed(tmp_path):
    detector = build({"flow": {"flat_line": "4s"}}, tmp_path, off_delay="2s")
    machine = AlarmMachine("guard", detector.alarms, detector.spec.tags)
    course = [2.0, *[1.0] * 9, *[NAN] * 9, *[1.0] * 9, *[2.0, 3.0] * 3]
    seen = []
    for row in range(detector.spec.length, len(course) + 1):
        [score] = detector.score([window(detector, course[:row][-6:], end=row * SECOND)])
        seen += [(alert.transition.value, row) for alert in machine.step(score)]
    assert seen == [("raised", 7), ("returned", 31)]


def test_a_tag_and_each_of_its_alarms_may_differ_from_the_detectors_others(tmp_path):
    high = {"title": "Too much", "phrase": "{value}!", "severity": "low", "n_of_m": "2 of 3"}
    own = {**FOUR["flow"], "latch": True, "advice": "throttle", "alarms": {"high": high}}
    tags = {"flow": own, "level": {"low": 1}}
    alarms = build(tags, tmp_path, severity="high", on_delay="3s", realarm_after="1h").alarms
    by_name = {alarm.name: alarm for alarm in alarms}
    changed, other, level = (by_name[n] for n in ("flow.high", "flow.low", "level.low"))
    assert (changed.title, changed.phrase, changed.severity) == ("Too much", "{value}!", "low")
    assert (changed.of_last, changed.on_delay, changed.latch) == ((2, 3), 0, True)
    assert (other.title, other.phrase, other.severity) == ("", "", Severity.HIGH)
    assert (other.of_last, other.on_delay, other.latch) == (None, 3 * SECOND, True)
    assert {alarm.advice for alarm in alarms if alarm.tag == "flow"} == {"throttle"}
    assert (level.latch, level.advice) == (False, "")
    assert {alarm.realarm_after for alarm in alarms} == {3600 * SECOND}


def test_an_alarm_without_its_limit_is_refused():
    with pytest.raises(ValidationError, match=r"alarms\.low has no limit: write low, or leave it"):
        LimitsOptions.model_validate(
            {"type": "limits", "tags": {"flow": {"high": 5, "alarms": {"low": {"latch": True}}}}}
        )


def test_a_limit_expects_nothing_and_judges_the_last_step_of_its_window(tmp_path):
    detector = build({"flow": {"high": 85, "flat_line": "9s"}, "level": {"low_low": 5}}, tmp_path)
    [score] = detector.score([window(detector, [96.0, 96.0], [2.0, 2.0])])
    assert score.expected is None
    assert score.actual.tolist() == [96, 2]
    assert (score.start, score.at) == (999 * SECOND, 1_000 * SECOND)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"high_high": 80, "high": 85}, "high_high (80) must be above high (85)"),
        ({"high": 5, "low": 5}, "high (5) must be above low (5)"),
        ({"high": 5, "low_low": 7}, "high (5) must be above low_low (7)"),
        ({}, "no limit given"),
        ({"hysteresis": 2}, "no limit given"),
        ({"hig": 5}, "hig"),
        ({"high": 5, "hysteresis": -1}, "hysteresis"),
        ({"rate_of_change": 0}, "rate_of_change"),
        ({"high": float("nan")}, "high"),
        ({"flat_line": 60}, "no unit"),
    ],
)
def test_contradictory_limits_are_refused(limits, message, tmp_path):
    with pytest.raises(ValidationError) as refused:
        build({"flow": limits}, tmp_path)
    assert message in str(refused.value)


def test_an_unknown_tag_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(
        ConfigError, match=r"guard: no tag 'flwo' in this line, did you mean 'flow'"
    ):
        build({"flwo": {"high": 5}}, tmp_path)
    with pytest.raises(ConfigError, match=r"it has ambient, flow, level"):
        build({"xyz": {"high": 5}}, tmp_path)


def test_a_flat_line_shorter_than_the_tags_own_period_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="only every 5s"):
        build({"ambient": {"flat_line": "8s"}}, tmp_path)


def test_a_flat_line_that_needs_too_long_a_window_is_refused_with_a_longer_period(tmp_path):
    with pytest.raises(ConfigError, match="such as 87s"):
        build({"flow": {"flat_line": "1d"}}, tmp_path)
    build({"flow": {"flat_line": "1d"}}, tmp_path, period="87s")
