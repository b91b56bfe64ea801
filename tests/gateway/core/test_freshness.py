import numpy as np
from fakes import batch, tag

from gateway.api.model import SECOND, Quality, SampleBatch, Severity, Tag
from gateway.core.alerts import AlertMachine
from gateway.core.freshness import DETECTOR, FreshnessWatch

S = SECOND
T0 = 1_700_000_000 * S
TAGS = [Tag("flow", "plc", S), Tag("speed", "plc", S), Tag("vibration", "monitor", 10 * S)]


def watch():
    return FreshnessWatch(TAGS, stale_periods=5.0, hold_periods=3.0)


def seen(*tags, quality=Quality.GOOD):
    n = len(tags)
    return SampleBatch(
        np.array(tags, dtype=np.int32),
        np.full(n, T0, dtype=np.int64),
        np.ones(n),
        np.full(n, quality, dtype=np.uint8),
    )


def names(data, now):
    return [list(data.counts(now))[state] for state in data.states(now)]


def test_each_tag_ages_by_its_own_period():
    data = watch()
    data.push(seen(0, 2), T0)
    assert names(data, T0) == ["fresh", "never_seen", "fresh"]
    assert names(data, T0 + 4 * S) == ["late", "never_seen", "fresh"]
    assert names(data, T0 + 20 * S) == ["stale", "never_seen", "fresh"]
    assert names(data, T0 + 60 * S) == ["stale", "never_seen", "stale"]


def test_a_bad_value_is_not_fresh_and_a_good_one_mends_it():
    data = watch()
    data.push(seen(0, quality=Quality.BAD), T0)
    assert names(data, T0)[0] == "bad"
    data.push(seen(0), T0)
    assert names(data, T0)[0] == "fresh"


def test_a_silent_source_raises_one_alarm_that_names_its_tags():
    data = watch()
    machine = AlertMachine("data", data.alarms, [tag.name for tag in TAGS])
    data.push(seen(0, 1, 2), T0)
    alerts = []
    for second in range(12):
        data.push(seen(2), T0 + second * S)
        alerts += machine.step(data.score(T0 + second * S))
    (alert,) = alerts
    assert alert.alarm == "plc.no_data"
    assert {top.tag for top in alert.top_tags} == {"flow", "speed"}
    for second in range(12, 16):
        data.push(seen(0, 1, 2), T0 + second * S)
        alerts += machine.step(data.score(T0 + second * S))
    assert [alert.is_active for alert in alerts] == [True, False]


def test_a_source_gets_time_to_deliver_after_the_start():
    data = watch()
    machine = AlertMachine("data", data.alarms, [tag.name for tag in TAGS])
    alerts = [a for second in range(14) for a in machine.step(data.score(T0 + second * S))]
    assert [(alert.alarm, (alert.at - T0) // S) for alert in alerts] == [
        ("plc.no_data", 12),
        ("monitor.no_data", 12),
    ]


def test_a_bad_value_stays_unusable_until_it_is_stale():
    data = watch()
    data.push(seen(0, quality=Quality.BAD), T0)
    said = [names(data, T0 + second * S)[0] for second in range(7)]
    assert said == ["bad"] * 6 + ["stale"]


def test_a_source_that_was_heard_within_its_limits_is_what_it_was_at_the_limit():
    freshness = watch()
    freshness.push(seen(0, 1, 2), T0)
    assert names(freshness, T0 + 3 * S) == ["fresh"] * 3
    assert names(freshness, T0 + 3 * S + 1)[:2] == ["late"] * 2
    assert names(freshness, T0 + 5 * S)[:2] == ["late"] * 2
    assert names(freshness, T0 + 5 * S + 1)[:2] == ["stale"] * 2


def test_a_fast_tag_is_late_after_a_second_and_stale_after_two():
    freshness = FreshnessWatch([Tag("fast", "plc", S // 100)], stale_periods=5.0, hold_periods=3.0)
    freshness.push(seen(0), T0)
    states = [names(freshness, T0 + at)[0] for at in (S, S + 1, 2 * S, 2 * S + 1)]
    assert states == ["fresh", "late", "late", "stale"]


def test_the_data_is_as_old_as_before_when_the_clock_is_stepped():
    freshness = watch()
    freshness.push(seen(0), T0)
    freshness.push(seen(2), T0 + S)
    freshness.shift(3600 * S)
    assert names(freshness, T0 + 3602 * S) == ["fresh", "never_seen", "fresh"]
    assert names(freshness, T0 + 3604 * S)[0] == "late"
    freshness.shift(-7200 * S)
    assert names(freshness, T0 - 3598 * S) == ["fresh", "never_seen", "fresh"]
    assert names(freshness, T0 - 3590 * S)[0] == "stale"


def test_the_time_to_deliver_after_the_start_goes_with_the_clock():
    freshness = watch()
    assert freshness.score(T0).values.tolist() == [0.0, 0.0]
    freshness.shift(3600 * S)
    assert freshness.score(T0 + 3600 * S + 10 * S - 1).values.tolist() == [0.0, 0.0]
    assert freshness.score(T0 + 3600 * S + 10 * S).values.tolist() == [2.0, 1.0]


def test_a_step_before_the_first_look_changes_nothing():
    freshness = watch()
    freshness.shift(3600 * S)
    assert freshness.score(T0).values.tolist() == [0.0, 0.0]


def test_the_states_are_counted_by_name():
    freshness = watch()
    freshness.push(seen(0, 1), T0)
    assert freshness.counts(T0) == {"fresh": 2, "late": 0, "stale": 0, "bad": 0, "never_seen": 1}
    assert freshness.tags == tuple(TAGS)


def test_a_score_says_how_many_tags_of_each_source_are_silent_and_which():
    freshness = watch()
    freshness.score(T0 - 20 * S)
    freshness.push(seen(0), T0)
    freshness.push(seen(1, quality=Quality.BAD), T0)
    score = freshness.score(T0 + S)
    assert (score.at, score.values.tolist()) == (T0 + S, [1.0, 1.0])
    assert score.contribution.tolist() == [0.0, 1.0, 1.0]
    assert score.contribution.dtype == np.float64
    assert abs(score.coverage - 1 / 3) < 1e-12


def test_a_line_without_tags_lacks_nothing():
    assert FreshnessWatch([], 5.0, 3.0).score(T0).coverage == 1.0


def test_each_source_has_an_alarm_of_high_severity_with_its_tags():
    plc, monitor = watch().alarms
    assert (plc.name, monitor.name) == ("plc.no_data", "monitor.no_data")
    assert (plc.scope, monitor.scope) == (("flow", "speed"), ("vibration",))
    assert (plc.threshold, plc.severity) == (0.5, Severity.HIGH)
    assert (plc.on_delay, plc.off_delay) == (2 * S, 2 * S)


def test_the_alarm_says_how_many_tags_of_which_source_are_silent_and_names_five():
    tags = [tag(f"t{number}", "plc") for number in range(7)] + [tag("other", "broker")]
    data = FreshnessWatch(tags, 5.0, 3.0)
    machine = AlertMachine(DETECTOR, data.alarms, [each.name for each in tags])
    alerts = []
    for second in range(30):
        now = T0 + second * S
        data.push(batch(now, 1.0, 2.0, first=6), now)
        alerts += machine.step(data.score(now))
    (raised,) = alerts
    assert raised.message == "No data from plc: 6 of 7 tags (t0, t1, t2, t3, t4, …)"
