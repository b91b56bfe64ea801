from dataclasses import replace

import numpy as np
import pytest
from fakes import batch, tag

from gateway.api.alarms import Severity, Transition
from gateway.api.bounds import Bounds
from gateway.api.model import SECOND, Quality, SampleBatch, Tag
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.device_status import DeviceStatus
from gateway.core.freshness import DETECTOR, Freshness, FreshnessWatch

S = SECOND
T0 = 1_700_000_000 * S
TAGS = [Tag("flow", "plc", S), Tag("speed", "plc", S), Tag("vibration", "monitor", 10 * S)]


def watch():
    return FreshnessWatch(TAGS, stale_periods=5.0, hold_periods=3.0)


def seen(*tags, quality=Quality.GOOD, at=T0):
    n = len(tags)
    return SampleBatch(
        np.array(tags, dtype=np.int32),
        np.full(n, at, dtype=np.int64),
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


def test_a_silent_source_raises_one_alarm_of_its_own_that_names_its_tags():
    data = watch()
    machine = AlarmMachine("data", data.alarms, [tag.name for tag in TAGS])
    data.push(seen(0, 1, 2), T0)
    alerts = []
    for second in range(12):
        data.push(seen(2, at=T0 + second * S), T0 + second * S)
        alerts += machine.step(data.score(T0 + second * S))
    (alert,) = alerts
    assert alert.alarm == "plc.lost"
    assert {top.tag for top in alert.top_tags} == {"flow", "speed"}
    for second in range(12, 16):
        data.push(seen(0, 1, 2, at=T0 + second * S), T0 + second * S)
        alerts += machine.step(data.score(T0 + second * S))
    assert [alert.is_active for alert in alerts] == [True, False]


def test_a_source_gets_time_to_deliver_after_the_start():
    data = watch()
    machine = AlarmMachine("data", data.alarms, [tag.name for tag in TAGS])
    alerts = [a for second in range(14) for a in machine.step(data.score(T0 + second * S))]
    assert [(alert.alarm, (alert.at - T0) // S) for alert in alerts] == [
        ("plc.lost", 12),
        ("monitor.lost", 12),
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


def told(score):
    """The values by alarm, those that cannot be told left out."""
    alarms = [alarm.name for alarm in watch().alarms]
    return {n: v for n, v in zip(alarms, score.values.tolist(), strict=True) if not np.isnan(v)}


def test_the_time_to_deliver_after_the_start_goes_with_the_clock():
    freshness = watch()
    assert told(freshness.score(T0)) == {}
    freshness.shift(3600 * S)
    assert told(freshness.score(T0 + 3600 * S + 10 * S - 1)) == {}
    late = freshness.score(T0 + 3600 * S + 10 * S)
    assert told(late) == {"plc.lost": 2.0, "monitor.lost": 1.0}


def test_a_step_before_the_first_look_changes_nothing():
    freshness = watch()
    freshness.shift(3600 * S)
    assert told(freshness.score(T0)) == {}


def test_the_states_are_counted_by_name():
    freshness = watch()
    freshness.push(seen(0, 1), T0)
    assert freshness.counts(T0) == {"fresh": 2, "late": 0, "stale": 0, "bad": 0, "never_seen": 1}
    assert freshness.tags == tuple(TAGS)


def test_a_score_says_how_many_tags_of_each_source_are_silent_and_which():
    freshness = watch()
    freshness.score(T0 - 20 * S)
    freshness.push(seen(0), T0 + S)
    freshness.push(seen(1, quality=Quality.BAD), T0 + S)
    score = freshness.score(T0 + S)
    assert score.at == T0 + S
    others = {"plc.out_of_specification": 0.0, "plc.maintenance_required": 0.0}
    assert told(score) == {"plc.lost": 0.0, "plc.no_data": 1.0, "monitor.lost": 1.0, **others}
    assert score.contribution.tolist() == [0.0, 1.0, 1.0]
    assert score.contribution.dtype == np.float64
    assert abs(score.coverage - 1 / 3) < 1e-12


def test_a_line_without_tags_lacks_nothing():
    assert FreshnessWatch([], 5.0, 3.0).score(T0).coverage == 1.0


def test_each_source_has_its_own_alarms_with_its_tags():
    alarms = watch().alarms
    kinds = ("lost", "no_data", "out_of_specification", "maintenance_required")
    assert [alarm.name for alarm in alarms] == [
        f"{source}.{kind}" for source in ("plc", "monitor") for kind in kinds
    ]
    assert [alarm.scope for alarm in alarms] == [("flow", "speed")] * 4 + [("vibration",)] * 4


def test_the_alarm_says_how_many_tags_of_which_source_are_silent_and_names_five():
    tags = [tag(f"t{number}", "plc") for number in range(7)] + [tag("other", "broker")]
    data = FreshnessWatch(tags, 5.0, 3.0)
    machine = AlarmMachine(DETECTOR, data.alarms, [each.name for each in tags])
    alerts = []
    for second in range(30):
        now = T0 + second * S
        data.push(batch(now, 1.0, 2.0, first=6), now)
        alerts += machine.step(data.score(now))
    (raised,) = alerts
    assert raised.message == (
        "6 of 7 tags of plc without usable data (t0, t1, t2, t3, t4, …: no sample yet)"
    )


class Source:
    """A source of some tags, its watch and its alarms, one tick a second."""

    def __init__(self, *names, period=S):
        self.tags = [Tag(name, "plc", period) for name in names]
        self.watch = FreshnessWatch(self.tags, 5.0, 3.0)
        self.machine = AlarmMachine(DETECTOR, self.watch.alarms, list(names))
        self.now = T0

    def go(self, seconds, good=(), **bad):
        """The transitions while these tags are good, or bad for a reason; the others are silent."""
        names = [tag.name for tag in self.tags]
        alerts = []
        for _ in range(seconds):
            self.now += S
            for name in good:
                self.watch.push(batch(self.now, 1.0, first=names.index(name)), self.now)
            for name, why in bad.items():
                index = names.index(name)
                sample = batch(self.now, np.nan, first=index)
                self.watch.push(replace(sample, reasons={index: why}), self.now)
            alerts += self.machine.step(self.watch.score(self.now))
        return alerts

    def away(self, seconds, why):
        """The source is lost, as `gateway.line.source` tells it."""
        self.watch.note_away({"plc": why})
        alerts = self.go(1, **dict.fromkeys([tag.name for tag in self.tags], why))
        return alerts + self.go(seconds - 1)

    def back(self, seconds, good=(), **bad):
        self.watch.note_away({})
        return self.go(seconds, good, **bad)


def brief(alerts):
    return [(alert.alarm, alert.transition.value) for alert in alerts]


def test_one_bad_register_does_not_hide_the_loss_of_its_source():
    plc = Source("flow", "speed", "oil")
    (bad,) = plc.go(20, ["flow", "speed"], oil="exception 2")
    assert bad.message == "1 of 3 tags of plc without usable data (oil: exception 2)"
    (lost,) = plc.away(20, "connection refused")
    assert (lost.alarm, lost.severity) == ("plc.lost", Severity.HIGH)
    assert lost.message == (
        "plc is lost: no usable data from any of its 3 tags (flow, speed, oil: connection refused)"
    )
    assert brief(plc.back(20, ["flow", "speed"], oil="exception 2")) == [("plc.lost", "returned")]
    assert [alarm.name for alarm in plc.machine.active] == ["plc.no_data"]
    assert brief(plc.go(5, ["flow", "speed", "oil"])) == [("plc.no_data", "returned")]


def test_a_lost_source_does_not_raise_the_alarm_of_its_tags_too():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    assert brief(plc.away(60, "timeout")) == [("plc.lost", "raised")]
    assert brief(plc.back(20, ["flow", "speed"])) == [("plc.lost", "returned")]


def test_a_changed_cause_of_a_lost_source_is_an_update():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    (raised,) = plc.away(20, "timeout")
    plc.watch.note_away({"plc": "connection refused"})
    (updated,) = plc.go(20)
    assert (updated.id, updated.transition) == (raised.id, Transition.UPDATED)
    assert "connection refused" in updated.message


def test_tags_that_come_one_after_the_other_when_a_source_is_back_raise_nothing():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    plc.away(10, "timeout")
    assert brief(plc.back(8, ["flow"])) == [("plc.lost", "returned")]
    assert plc.go(20, ["flow", "speed"]) == []


def test_a_tag_that_stays_silent_when_its_source_is_back_is_an_alarm():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    plc.away(10, "timeout")
    alerts = plc.back(30, ["flow"])
    assert brief(alerts) == [("plc.lost", "returned"), ("plc.no_data", "raised")]
    assert "speed: no sample for more than 5 s" in alerts[-1].message


def test_a_tag_that_never_comes_back_is_not_excused_by_another_one_that_comes_and_goes():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    alerts = plc.away(10, "timeout")
    for _ in range(6):
        alerts += plc.back(8, ["flow"])
        alerts += plc.go(4, flow="text, not a number")
    assert ("plc.no_data", "raised") in brief(alerts)


def test_a_restart_clears_no_alarm_before_its_tags_had_time_to_deliver():
    plc = Source("flow", "speed")
    plc.go(5, ["flow", "speed"])
    (raised,) = plc.away(10, "timeout")
    again = Source("flow", "speed")
    again.machine.restore(plc.machine.checkpoint())
    again.now = plc.now
    assert again.go(9) == []
    assert [alert.id for alert in again.machine.standing()] == [raised.id]


def test_a_slow_tag_has_its_own_period_to_deliver_after_the_start():
    meter = Source("energy", "power", period=60 * S)
    assert meter.go(59) == []
    assert brief(meter.go(5)) == [("plc.lost", "raised")]


@pytest.mark.parametrize(
    ("good", "bad", "exact", "steady"),
    [
        (
            [],
            {"flow": "exception 2, illegal data address"},
            "exception 2, illegal data address",
            None,
        ),
        ([], {"flow": ""}, "its quality is bad", None),
    ],
)
def test_the_reason_of_a_bad_tag_is_what_its_sample_said(good, bad, exact, steady):
    plc = Source("flow", "speed")
    plc.go(3, good, **bad)
    assert plc.watch.reasons(plc.now, exact=True)[0] == exact
    assert plc.watch.reasons(plc.now)[0] == (steady or exact)


def test_the_first_good_sample_clears_the_reason():
    plc = Source("flow", "speed")
    plc.go(3, ["speed"], flow="text, not a number: 'OK'")
    assert set(plc.watch.reasons(plc.now)) == {0}
    plc.go(1, ["flow", "speed"])
    assert plc.watch.reasons(plc.now) == {}


def test_the_last_sample_of_a_batch_decides():
    plc = Source("flow")
    both = SampleBatch.joined([batch(T0, np.nan), batch(T0 + 1, 1.0)])
    plc.watch.push(replace(both, reasons={0: "timeout"}), T0)
    assert plc.watch.reasons(T0) == {}


def test_a_silent_tag_says_for_how_long_to_people_and_its_limit_to_the_log():
    plc = Source("flow", "speed")
    plc.go(1, ["flow"])
    plc.go(12)
    assert plc.watch.reasons(plc.now, exact=True) == {0: "no sample for 12 s", 1: "no sample yet"}
    assert plc.watch.reasons(plc.now)[0] == "no sample for more than 5 s"


def test_an_uncertain_sample_has_a_reason_too():
    data = watch()
    data.push(seen(0, quality=Quality.UNCERTAIN), T0)
    assert data.reasons(T0)[0] == "its quality is uncertain"


class Clocks(Source):
    """A source whose tags' clocks are off by so many seconds."""

    def run(self, seconds, **offsets):
        names = [tag.name for tag in self.tags]
        alerts = []
        for _ in range(seconds):
            self.now += S
            for name, offset in offsets.items():
                sample = batch(self.now + round(offset * S), 1.0, first=names.index(name))
                self.watch.push(sample, self.now)
            alerts += self.machine.step(self.watch.score(self.now))
        return alerts

    def states(self):
        return [Freshness(state).name.lower() for state in self.watch.states(self.now)]


def test_times_that_do_not_fit_make_a_tag_unusable_and_are_the_alarms_reason():
    plc = Clocks("good", "ahead", "behind", "slow")
    alerts = plc.run(20, good=0, ahead=7200, behind=-7200, slow=-3)
    assert plc.states() == ["fresh", "bad", "stale", "late"]
    assert [alert.alarm for alert in alerts] == ["plc.no_data", "plc.maintenance_required"]
    assert alerts[0].message == (
        "2 of 4 tags of plc without usable data (ahead: its time is 2 h ahead of this machine's "
        "clock; behind: its time is 2 h behind this machine's clock)"
    )
    assert (alerts[1].ne107, alerts[1].severity) == ("maintenance_required", Severity.LOW)
    assert alerts[1].message == (
        "1 of 4 tags of plc need maintenance (slow: its time is 3 s behind this machine's clock, "
        "so its samples come after their cells are closed)"
    )
    assert brief(plc.run(10, good=0, ahead=0, behind=0, slow=0)) == [
        ("plc.no_data", "returned"),
        ("plc.maintenance_required", "returned"),
    ]
    assert plc.states() == ["fresh"] * 4
    assert plc.watch.reasons(plc.now) == {}


def test_a_source_whose_clock_is_wrong_for_all_its_tags_is_lost():
    plc = Clocks("flow", "speed")
    (lost,) = plc.run(20, flow=3600, speed=3600)
    assert lost.alarm == "plc.lost"
    assert "flow, speed: its time is 1 h ahead" in lost.message


def test_a_wrong_time_that_goes_silent_is_stale_for_its_silence():
    plc = Clocks("flow", "speed")
    plc.run(20, flow=7200, speed=0)
    plc.run(8, speed=0)
    assert plc.states()[0] == "stale"
    assert plc.watch.reasons(plc.now, exact=True)[0] == "no sample for 8 s"


def test_a_bad_sample_tells_its_own_reason_and_not_its_time():
    plc = Clocks("flow")
    plc.run(20, flow=7200)
    plc.go(1, flow="exception 2")
    assert plc.watch.reasons(plc.now)[0] == "exception 2"


def test_the_offset_of_a_source_is_that_of_its_farthest_tag():
    plc = Clocks("flow", "speed", "oil")
    assert plc.watch.offsets() == {"plc": (None, 0)}
    plc.run(20, flow=0, speed=-7200)
    assert plc.watch.offsets() == {"plc": (-7200.0, 1)}


def test_a_step_of_this_machines_clock_is_no_fault_of_the_devices():
    plc = Clocks("flow")
    plc.run(20, flow=0)
    plc.now += 3600 * S
    plc.watch.shift(3600 * S)
    # The devices' clocks are right, and so is this one after both were set.
    assert plc.run(20, flow=0) == []
    assert plc.states() == ["fresh"]


# The classes of NAMUR NE 107.


def bounded(source, name, value, quality=Quality.GOOD):
    """A sample of this tag, with the bounds of the source's tags applied as the inbox does."""
    index = [each.name for each in source.tags].index(name)
    sample = seen(index, quality=quality, at=source.now)
    sample = replace(sample, value=np.array([float(value)]))
    source.watch.push(Bounds(source.tags).apply(sample), source.now)


def classes(source):
    return [DeviceStatus(each).name.lower() for each in source.watch.status(source.now)]


def test_a_value_beyond_its_bounds_is_out_of_specification_and_no_failure():
    plc = Source("flow", "speed")
    plc.tags[0] = replace(plc.tags[0], high=120.0)
    alerts = []
    for second in range(30):
        plc.now += S
        bounded(plc, "flow", 200.0 + second)
        bounded(plc, "speed", 1.0)
        alerts += plc.machine.step(plc.watch.score(plc.now))
    (alert,) = alerts
    assert plc.watch.reasons(plc.now, exact=True) == {0: "229 is above high, 120"}
    assert classes(plc) == ["out_of_specification", "normal"]
    assert (alert.alarm, alert.ne107) == ("plc.out_of_specification", "out_of_specification")
    assert alert.message == ("1 of 2 tags of plc out of specification (flow: above high, 120)")
    assert [top.tag for top in alert.top_tags] == ["flow"]
    assert brief(plc.go(5, ["flow", "speed"])) == [("plc.out_of_specification", "returned")]


@pytest.mark.parametrize(
    ("quality", "ne107"),
    [(Quality.UNCERTAIN, "out_of_specification"), (Quality.BAD, "failure")],
)
def test_a_sample_that_the_device_doubts_is_out_of_specification_and_a_bad_one_a_failure(
    quality, ne107
):
    plc = Source("flow", "speed")
    bounded(plc, "flow", 5.0, quality)
    bounded(plc, "speed", 5.0)
    assert classes(plc) == [ne107, "normal"]
    bounded(plc, "flow", 5.0)
    assert classes(plc) == ["normal", "normal"]


def test_what_is_out_of_specification_and_then_silent_is_a_failure():
    plc = Source("flow", "speed")
    bounded(plc, "flow", 5.0, Quality.UNCERTAIN)
    plc.go(6, ["speed"])
    assert classes(plc) == ["failure", "normal"]


def test_a_lost_source_neither_raises_nor_clears_what_was_out_of_specification():
    plc = Source("flow", "speed")
    for _ in range(5):
        bounded(plc, "flow", 5.0, Quality.UNCERTAIN)
        plc.go(1, ["speed"])
    assert [alarm.name for alarm in plc.machine.active] == ["plc.out_of_specification"]
    assert brief(plc.away(20, "timeout")) == [("plc.lost", "raised")]
    assert {alarm.name for alarm in plc.machine.active} == {
        "plc.lost",
        "plc.out_of_specification",
    }


def test_a_tag_that_says_how_long_is_too_long_and_does_not_move_is_to_be_checked():
    plc = Source("flow", "speed")
    plc.tags[0] = replace(plc.tags[0], frozen_after=10 * S)
    plc.watch = FreshnessWatch(plc.tags, 5.0, 3.0)
    plc.machine = AlarmMachine(DETECTOR, plc.watch.alarms, ["flow", "speed"])
    (alert,) = plc.go(20, ["flow", "speed"])
    assert (alert.alarm, alert.ne107) == ("plc.check_function", "check_function")
    assert alert.message == (
        "1 of 2 tags of plc to be checked (flow: the same value for more than 10 s)"
    )
    assert (alert.at - T0) // S == 14
    assert names(plc.watch, plc.now) == ["fresh", "fresh"], "its data is used"
    status = plc.watch.status(plc.now)
    assert plc.watch.suspicions(status, plc.now, exact=True) == {0: "the same value for 19 s"}
    bounded(plc, "flow", 2.0)
    assert brief(plc.go(3, ["speed"])) == [("plc.check_function", "returned")]


def test_a_tag_that_says_nothing_may_stand_still_for_ever():
    plc = Source("flow", "speed")
    assert plc.go(600, ["flow", "speed"]) == []
