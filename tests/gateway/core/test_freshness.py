import numpy as np

from gateway.api.model import SECOND, Quality, SampleBatch, Tag
from gateway.core.alerts import AlertMachine
from gateway.core.freshness import FreshnessWatch

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


def names(found, now):
    return [list(found.counts(now))[state] for state in found.states(now)]


def test_each_tag_ages_by_its_own_period():
    found = watch()
    found.push(seen(0, 2), T0)
    assert names(found, T0) == ["fresh", "never_seen", "fresh"]
    assert names(found, T0 + 4 * S) == ["late", "never_seen", "fresh"]
    assert names(found, T0 + 20 * S) == ["stale", "never_seen", "fresh"]
    assert names(found, T0 + 60 * S) == ["stale", "never_seen", "stale"]


def test_a_bad_value_is_not_fresh_and_a_good_one_mends_it():
    found = watch()
    found.push(seen(0, quality=Quality.BAD), T0)
    assert names(found, T0)[0] == "bad"
    found.push(seen(0), T0)
    assert names(found, T0)[0] == "fresh"


def test_a_silent_source_raises_one_alarm_that_names_its_tags():
    found = watch()
    machine = AlertMachine("data", found.alarms, [tag.name for tag in TAGS])
    found.push(seen(0, 1, 2), T0)
    alerts = []
    for second in range(12):
        found.push(seen(2), T0 + second * S)
        alerts += machine.step(found.score(T0 + second * S))
    (alert,) = alerts
    assert alert.alarm == "plc.no_data"
    assert {top.tag for top in alert.top_tags} == {"flow", "speed"}
    for second in range(12, 16):
        found.push(seen(0, 1, 2), T0 + second * S)
        alerts += machine.step(found.score(T0 + second * S))
    assert [alert.is_active for alert in alerts] == [True, False]


def test_a_source_gets_time_to_deliver_after_the_start():
    found = watch()
    machine = AlertMachine("data", found.alarms, [tag.name for tag in TAGS])
    alerts = [a for second in range(14) for a in machine.step(found.score(T0 + second * S))]
    assert [(alert.alarm, (alert.at - T0) // S) for alert in alerts] == [
        ("plc.no_data", 12),
        ("monitor.no_data", 12),
    ]


def test_a_bad_value_stays_unusable_until_it_is_stale():
    found = watch()
    found.push(seen(0, quality=Quality.BAD), T0)
    said = [names(found, T0 + second * S)[0] for second in range(7)]
    assert said == ["bad"] * 6 + ["stale"]
