import json
from dataclasses import replace

import numpy as np
import pytest

from gateway.api.alarms import Alarm, AlarmState, Severity, Transition
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Score
from gateway.core.alarms.acts import acknowledge, shelve, unshelve
from gateway.core.alarms.machine import ACT, AlarmMachine

S = SECOND
T0 = 1_700_000_000 * S


def machine(**limits):
    alarm = Alarm("anomaly", threshold=10.0, severity=Severity.HIGH, **limits)
    return AlarmMachine("pump", [alarm], ["flow", "speed", "vibration"])


def score(second, value, contribution=(0.0, 0.0, 0.0)):
    return Score(
        T0 + round(second * S),
        np.array([value]),
        coverage=1.0,
        model="pump@1",
        contribution=np.array(contribution, dtype=float),
        expected=np.array([1.0, 2.0, 3.0]),
        actual=np.array([1.5, 2.0, 9.0]),
    )


def run(pump, values):
    """One score a second; the transitions as (second, state)."""
    alerts = [alert for k, value in enumerate(values) for alert in pump.step(score(k, value))]
    return [((alert.at - T0) / S, alert.state) for alert in alerts]


def test_above_the_threshold_raises_once_and_back_below_clears_once():
    assert run(machine(), [9, 11, 12, 11, 9, 8]) == [
        (1.0, AlarmState.UNACKNOWLEDGED),
        (4.0, AlarmState.RETURNED_UNACKNOWLEDGED),
    ]


def test_exactly_the_threshold_is_not_above_it():
    assert run(machine(), [10, 10, 10]) == []


def test_the_on_delay_wants_the_condition_without_a_break():
    assert run(machine(on_delay=2 * S), [11, 11, 9, 11, 11, 11]) == [
        (5.0, AlarmState.UNACKNOWLEDGED)
    ]


def test_the_off_delay_wants_the_return_without_a_break():
    assert run(machine(off_delay=2 * S), [11, 9, 9, 11, 9, 9, 9, 9]) == [
        (0.0, AlarmState.UNACKNOWLEDGED),
        (6.0, AlarmState.RETURNED_UNACKNOWLEDGED),
    ]


def test_hysteresis_keeps_an_alarm_that_hovers_at_its_threshold():
    assert run(machine(hysteresis=2.0), [11, 9, 11, 9, 8.5, 7.9]) == [
        (0.0, AlarmState.UNACKNOWLEDGED),
        (5.0, AlarmState.RETURNED_UNACKNOWLEDGED),
    ]


def test_what_cannot_be_judged_neither_raises_nor_clears():
    nan = float("nan")
    assert run(machine(), [11, nan, nan, nan]) == [(0.0, AlarmState.UNACKNOWLEDGED)]
    assert run(machine(on_delay=2 * S), [11, nan, 11, 11, 11]) == [(4.0, AlarmState.UNACKNOWLEDGED)]
    assert run(machine(off_delay=2 * S), [11, 9, nan, 9, 9, 9]) == [
        (0.0, AlarmState.UNACKNOWLEDGED),
        (5.0, AlarmState.RETURNED_UNACKNOWLEDGED),
    ]


def test_an_alert_keeps_its_id_and_tells_its_peak_and_its_causes():
    pump = machine()
    (raised,) = pump.step(score(0, 20, (1.0, 0.0, 3.0)))
    pump.step(score(1, 40, (0.0, 0.0, 5.0)))
    (cleared,) = pump.step(score(2, 5))
    assert raised.id == cleared.id
    assert (raised.peak, cleared.peak) == (20, 40)
    assert [top.tag for top in raised.top_tags] == ["vibration", "flow"]
    assert raised.top_tags[0].share == 0.75
    assert (raised.top_tags[0].actual, raised.top_tags[0].expected) == (9.0, 3.0)
    assert [top.tag for top in cleared.top_tags] == ["vibration"]
    assert raised.is_active
    assert not cleared.is_active


def test_a_second_activation_is_another_alarm():
    pump = machine()
    (first,) = pump.step(score(0, 20))
    pump.step(score(1, 5))
    (second,) = pump.step(score(2, 20))
    assert first.id != second.id


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_restart_in_the_middle_changes_nothing(cut):
    scores = [score(k, v) for k, v in enumerate([11, 12, 30, 9, 9, 9, 9])]
    limits = {"on_delay": 2 * S, "off_delay": 2 * S}
    unbroken = machine(**limits)
    expected = [alert for each in scores for alert in unbroken.step(each)]
    before, after = machine(**limits), machine(**limits)
    alerts = [alert for each in scores[:cut] for alert in before.step(each)]
    after.restore(before.checkpoint())
    alerts += [alert for each in scores[cut:] for alert in after.step(each)]
    assert alerts == expected
    assert len(expected) == 2


def test_a_checkpoint_of_another_configuration_is_taken_up_as_far_as_it_goes():
    pump = machine()
    pump.step(score(0, 20))
    other = AlarmMachine("pump", [Alarm("elsewhere", threshold=1.0)], ["flow"])
    other.restore(pump.checkpoint())
    assert other.standing() == []
    same = machine()
    same.restore(pump.checkpoint())
    assert [alert.peak for alert in same.standing()] == [20]


def test_alarms_of_single_tags_name_that_tag():
    limits = [Alarm("flow.low", -5.0, tag="flow"), Alarm("speed.high", 9.0, tag="speed")]
    guard = AlarmMachine("guard", limits, ["flow", "speed"])
    values = Score(
        T0,
        np.array([-4.0, 3.0]),
        1.0,
        expected=np.array([5.0, np.nan]),
        actual=np.array([4.0, 3.0]),
    )
    (alert,) = guard.step(values)
    assert (alert.alarm, alert.tag) == ("flow.low", "flow")
    assert alert.top_tags[0].actual == 4.0
    assert alert.top_tags[0].expected == 5.0


def idle(second):
    return Score(
        T0 + round(second * S), np.array([np.nan]), 1.0, idle="not running (speed > 1 rpm)"
    )


def test_an_active_alarm_of_a_machine_that_stops_is_suppressed_by_design_after_its_off_delay():
    pump = machine(off_delay=2 * S)
    [raised] = pump.step(score(0, 12))
    assert pump.step(idle(1)) == pump.step(idle(2)) == []
    [over] = pump.step(idle(3))
    assert (over.state, over.id, over.is_active) == (AlarmState.SUPPRESSED, raised.id, False)
    assert over.message.endswith("suppressed by design after 3 s: not running (speed > 1 rpm)")
    # Whoever compares value and threshold must not see an alarm that still stands.
    assert over.value <= over.threshold
    assert (over.peak, over.top_tags) == (raised.peak, raised.top_tags)
    assert pump.active == []


def test_what_is_still_wrong_when_the_machine_runs_again_is_a_new_alarm():
    pump = machine()
    [raised] = pump.step(score(0, 12))
    pump.step(idle(1))
    [again] = pump.step(score(2, 12))
    assert again.is_active
    assert again.id != raised.id


def test_a_short_stop_ends_no_alarm():
    pump = machine(off_delay=5 * S)
    pump.step(score(0, 12))
    assert pump.step(idle(1)) == pump.step(score(2, 12)) == []
    assert [pump.step(idle(second)) for second in range(3, 8)] == [[]] * 5


def test_a_stop_ends_a_pending_alarm():
    pump = machine(on_delay=2 * S)
    assert [pump.step(each) for each in (score(0, 12), score(1, 12), idle(2))] == [[], [], []]
    assert [pump.step(score(second, 12)) for second in (3, 4)] == [[], []]
    assert pump.step(score(5, 12))


def test_each_alert_says_which_transition_it_is():
    pump = machine()
    (raised,) = pump.step(score(0, 20))
    acknowledged = pump.act(raised.id, acknowledge("anna"), "anna")
    (returned,) = pump.step(score(1, 5))
    assert [each.transition for each in (raised, acknowledged, returned)] == [
        Transition.RAISED,
        Transition.ACKNOWLEDGED,
        Transition.RETURNED,
    ]
    assert len({each.id for each in (raised, acknowledged, returned)}) == 1


def test_an_acknowledged_alarm_is_active_until_it_returns():
    pump = machine()
    (raised,) = pump.step(score(0, 20))
    acknowledged = pump.act(raised.id, acknowledge("anna"), "anna")
    assert (acknowledged.state, acknowledged.is_active) == (AlarmState.ACKNOWLEDGED, True)
    assert acknowledged.message == "The line unlike its normal running: acknowledged by anna"
    assert pump.step(score(1, 30)) == []
    (returned,) = pump.step(score(2, 5))
    assert (returned.state, returned.is_active) == (AlarmState.NORMAL, False)


def test_an_acknowledgement_lies_between_the_windows_before_and_after_it():
    pump = machine()
    (raised,) = pump.step(score(0, 20))
    pump.step(score(3, 20))
    acknowledged = pump.act(raised.id, acknowledge("anna"), "anna")
    assert acknowledged.at == T0 + 3 * S + ACT
    (returned,) = pump.step(score(4, 5))
    assert raised.at < acknowledged.at < returned.at


def test_an_acknowledgement_survives_a_restart():
    pump, next_run = machine(), machine()
    (raised,) = pump.step(score(0, 20))
    acknowledged = pump.act(raised.id, acknowledge("anna"), "anna")
    next_run.restore(pump.checkpoint())
    (standing,) = next_run.standing()
    assert (standing.id, standing.state) == (raised.id, AlarmState.ACKNOWLEDGED)
    assert standing.acknowledged_by == "anna"
    with pytest.raises(CommandRefused, match=f"{raised.id}: already acknowledged by anna"):
        next_run.act(raised.id, acknowledge("ben"), "ben")
    (returned,) = next_run.step(score(1, 5))
    assert returned.at > acknowledged.at


def test_what_is_not_active_cannot_be_acknowledged():
    pump = machine(on_delay=2 * S)
    assert pump.act("pump.anomaly-1", acknowledge("anna"), "anna") is None
    pump.step(score(0, 20))
    before = pump.checkpoint()
    assert pump.act(f"pump.anomaly-{T0 // 1_000_000:x}", acknowledge("anna"), "anna") is None
    assert pump.checkpoint() == before


def test_a_checkpoint_of_another_version_is_taken_up_as_far_as_it_is_known():
    pump = machine()
    facts = {
        "since": 0, "active": True, "opened_at": T0, "peak": 12.0, "top": [], "turn": 3, "old": 1
    }  # fmt: skip
    pump.restore(json.dumps({"anomaly": facts}).encode())
    (standing,) = pump.standing()
    assert (standing.opened_at, standing.peak) == (T0, 12.0)
    assert standing.id == f"pump.anomaly-{T0 // 1_000_000:x}.3", "of the third epoch"


def many(count, scope=(), **limits):
    """A machine with so many tags, whose one alarm may name any of them or those in `scope`."""
    alarm = Alarm("anomaly", 10.0, scope=scope, **limits)
    return AlarmMachine("pump", [alarm], [f"t{number}" for number in range(count)])


def weighed(*weights, value=20.0, **more):
    return Score(T0, np.array([value]), 0.5, "pump@1", np.array(weights), **more)


def test_an_alert_carries_the_value_the_model_and_the_coverage_of_its_score():
    pump = many(1)
    (raised,) = pump.step(weighed(1.0, value=20.0))
    assert (raised.value, raised.peak, raised.model, raised.coverage) == (20.0, 20.0, "pump@1", 0.5)
    (returned,) = pump.step(weighed(1.0, value=3.0))
    assert (returned.value, returned.peak) == (3.0, 20.0)
    assert (returned.model, returned.coverage) == ("pump@1", 0.5)
    assert (returned.detector, returned.alarm, returned.threshold) == ("pump", "anomaly", 10.0)


def test_an_alarm_that_is_active_at_a_restart_is_as_its_activation_left_it():
    pump = many(1)
    (raised,) = pump.step(weighed(1.0, value=20.0))
    pump.step(weighed(1.0, value=30.0))
    (standing,) = pump.standing()
    assert (standing.id, standing.at, standing.opened_at) == (raised.id, T0, T0)
    assert (standing.value, standing.peak) == (30.0, 30.0)
    assert (standing.state, standing.transition) == (AlarmState.UNACKNOWLEDGED, Transition.RAISED)
    assert (standing.model, standing.coverage) == (raised.model, raised.coverage)
    assert standing.message == "The line behaves unlike its normal running: t0 100 %"
    assert pump.active == list(pump.alarms)


def test_an_id_is_the_activations_millisecond_and_the_epoch_of_the_clock():
    pump = many(1)
    one = weighed(1.0)
    (raised,) = pump.step(one)
    assert raised.id == f"pump.anomaly-{1_700_000_000_000:x}"
    pump.step(weighed(1.0, value=0.0))
    pump.epoch = 2
    (again,) = pump.step(one)
    assert again.id == f"{raised.id}.2"
    pump.epoch = 3
    (returned,) = pump.step(weighed(1.0, value=0.0))
    assert returned.id == again.id, "it keeps the epoch in which it was raised"


def test_a_message_says_how_far_past_the_threshold_and_what_to_do():
    assert many(1, advice="look at the seal").step(weighed(1.0, value=12.345678))[0].message == (
        "The line behaves unlike its normal running: t0 100 %; look at the seal"
    )


def test_a_return_says_how_long_it_took():
    pump = machine()
    pump.step(score(0, 20))
    (returned,) = pump.step(score(2.5, 5))
    assert returned.message == "The line unlike its normal running: returned to normal after 2.5 s"


def test_exactly_the_clearing_limit_is_not_below_it():
    assert run(machine(hysteresis=2.0), [11, 8, 8]) == [(0.0, AlarmState.UNACKNOWLEDGED)]
    assert run(machine(), [11, 10, 10]) == [(0.0, AlarmState.UNACKNOWLEDGED)]


def test_of_equal_peaks_the_first_ones_causes_stay_while_active_and_the_last_ones_before():
    active = machine()
    active.step(score(0, 20, (1.0, 0.0, 0.0)))
    active.step(score(1, 20, (0.0, 1.0, 0.0)))
    (returned,) = active.step(score(2, 5))
    assert [each.tag for each in returned.top_tags] == ["flow"]
    pending = machine(on_delay=S)
    pending.step(score(0, 20, (1.0, 0.0, 0.0)))
    (raised,) = pending.step(score(1, 20, (0.0, 1.0, 0.0)))
    assert [each.tag for each in raised.top_tags] == ["speed"]


def test_a_peak_before_the_activation_counts():
    pump = machine(on_delay=S)
    pump.step(score(0, 40, (1.0, 0.0, 0.0)))
    (raised,) = pump.step(score(1, 20, (0.0, 1.0, 0.0)))
    assert (raised.value, raised.peak) == (20, 40)
    assert [each.tag for each in raised.top_tags] == ["flow"]


def test_after_a_step_of_the_clock_a_delay_begins_again():
    on, off = machine(on_delay=2 * S), machine(off_delay=2 * S)
    on.step(score(0, 20))
    off.step(score(0, 20))
    off.step(score(1, 5))
    for pump in (on, off):
        pump.restart_delays(T0 + 50 * S)
    assert [len(on.step(score(second, 20))) for second in (100, 101, 102)] == [0, 0, 1]
    assert [len(off.step(score(second, 5))) for second in (100, 101, 102)] == [0, 0, 1]


def test_a_delay_is_judged_by_the_earliest_time_it_was_seen_at():
    pump = machine(on_delay=2 * S)
    pump.step(score(5, 20))
    pump.step(score(4, 20))
    assert pump.step(score(6, 20))


def test_several_alarms_change_in_their_order_and_each_for_itself():
    alarms = [Alarm("a", 1.0), Alarm("b", 2.0), Alarm("c", 3.0)]
    pump = AlarmMachine("pump", alarms, ["flow"])

    def step(*values):
        return [(each.alarm, each.state) for each in pump.step(Score(T0, np.array(values), 1.0))]

    up, down = AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED
    assert step(0.0, 9.0, 9.0) == [("b", up), ("c", up)]
    assert step(9.0, 9.0, 0.0) == [("a", up), ("c", down)]
    assert [alarm.name for alarm in pump.active] == ["b", "a"]
    assert step(0.0, 0.0, 0.0) == [("a", down), ("b", down)]


def test_equal_states_give_equal_bytes_whatever_came_first():
    alarms = [Alarm("a", 1.0), Alarm("b", 2.0)]
    one, other = (AlarmMachine("pump", alarms, ["flow"]) for _ in range(2))
    for values in ([9.0, 0.0], [9.0, 9.0]):
        one.step(Score(T0, np.array(values), 1.0))
    for values in ([0.0, 9.0], [9.0, 9.0]):
        other.step(Score(T0, np.array(values), 1.0))
    assert one.checkpoint() == other.checkpoint()
    assert machine().checkpoint() == b"{}"


def test_after_a_restart_an_acknowledgement_is_not_dated_back_to_the_activation():
    pump = machine()
    (raised,) = pump.step(score(0, 20))
    restarted = T0 + 3600 * S
    alarm = Alarm("anomaly", threshold=10.0, severity=Severity.HIGH)
    next_run = AlarmMachine("pump", [alarm], ["flow", "speed", "vibration"], restarted)
    next_run.restore(pump.checkpoint())
    acknowledged = next_run.act(raised.id, acknowledge("anna"), "anna")
    assert acknowledged.at == restarted + ACT
    (returned,) = next_run.step(score(3601, 5))
    assert acknowledged.at < returned.at


def test_after_the_clock_was_set_back_an_acknowledgement_is_not_in_the_future():
    pump = machine()
    (raised,) = pump.step(score(3600, 20))
    pump.epoch = 1
    pump.restart_delays(T0)
    assert pump.act(raised.id, acknowledge("anna"), "anna").at == T0 + ACT


def test_an_acknowledgement_names_the_model_and_the_coverage_of_the_alarm():
    pump = machine()
    (raised,) = pump.step(replace(score(0, 20), coverage=0.75))
    acknowledged = pump.act(raised.id, acknowledge("anna"), "anna")
    assert (acknowledged.model, acknowledged.coverage) == ("pump@1", 0.75)
    assert acknowledged.acknowledged_by == "anna"


def test_a_phrase_with_other_braces_is_shown_as_it_is():
    alarm = Alarm("seal", threshold=1.0, phrase="{value} drops of {oil} {")
    (raised,) = AlarmMachine("pump", [alarm], ["flow", "speed", "vibration"]).step(score(0, 3.0))
    assert raised.message == "3 drops of {oil} {"


def low(**more):
    alarm = Alarm("flow.low", 2000.0, tag="flow", below=True, hysteresis=50.0, **more)
    return AlarmMachine("guard", [alarm], ["flow"])


def value_of(second, value):
    return Score(T0 + second * S, np.array([value]), 1.0, actual=np.array([value]))


def test_a_low_limit_is_judged_below_and_told_in_its_own_values():
    guard = low()
    assert guard.step(value_of(0, 2000.0)) == []
    (raised,) = guard.step(value_of(1, 992.0))
    assert (raised.value, raised.threshold, raised.peak, raised.below) == (992, 2000, 992, True)
    assert raised.message.startswith("Flow low: 992, limit 2000, since ")
    assert guard.step(value_of(2, 500.0)) == []
    assert guard.step(value_of(3, 2050.0)) == [], "within its hysteresis"
    (returned,) = guard.step(value_of(4, 2051.0))
    assert (returned.value, returned.peak) == (2051, 500)


def test_a_low_limit_survives_a_restart_and_an_older_checkpoint():
    guard = low()
    guard.step(value_of(0, 992.0))
    # Earlier versions kept low limits negated, and knew no causes.
    old = json.loads(guard.checkpoint())
    assert old["flow.low"]["peak"] == -992.0
    for key in ("causes", "updated_at", "changed_at"):
        del old["flow.low"][key]
    again = low()
    again.restore(json.dumps(old).encode())
    (standing,) = again.standing()
    assert (standing.value, standing.peak, standing.threshold) == (992, 992, 2000)
    assert again.act(standing.id, acknowledge("anna"), "anna").value == 992


def group(**more):
    alarm = Alarm("plc.no_data", 0.5, updates=True, phrase="{value} tags ({tags})", **more)
    return AlarmMachine("data", [alarm], ["a", "b", "c"])


def failing(second, **why):
    tags = ["a", "b", "c"]
    return Score(
        T0 + second * S,
        np.array([float(len(why))]),
        1.0,
        contribution=np.array([float(name in why) for name in tags]),
        reasons={tags.index(name): reason for name, reason in why.items()},
    )


def course(machine, *steps, start=0):
    """One score a second; the transitions as (second, transition, message)."""
    return [
        (start + k, alert.transition.value, alert.message)
        for k, why in enumerate(steps)
        for alert in machine.step(failing(start + k, **why))
    ]


A, AB = {"a": "timeout"}, {"a": "timeout", "b": "timeout"}


def test_a_further_tag_is_an_update_of_the_same_alarm():
    data = group()
    assert course(data, *[A] * 15, *[AB] * 5) == [
        (0, "raised", "1 tags (a: timeout)"),
        (15, "updated", "2 tags (a, b: timeout)"),
    ]
    (standing,) = data.standing()
    assert standing.message == "2 tags (a, b: timeout)"
    assert standing.opened_at == T0


def test_another_reason_is_an_update():
    assert course(group(), *[A] * 15, *[{"a": "exception 2"}] * 5)[1:] == [
        (15, "updated", "1 tags (a: exception 2)")
    ]


def test_updates_come_no_more_often_than_every_ten_seconds():
    flicker = [{"a": "timeout"}, {"a": "exception 2"}] * 30
    times = [at for at, *_ in course(group(), *flicker)]
    assert len(times) > 3
    assert min(np.diff(times)) >= 10


def test_a_further_tag_must_hold_for_the_on_delay():
    data = group(on_delay=3 * S)
    steps = [A] * 20 + [AB] * 2 + [A] * 20 + [AB] * 4
    assert [(at, what) for at, what, _ in course(data, *steps)] == [(3, "raised"), (45, "updated")]


def test_a_tag_that_recovered_is_told_after_a_minute():
    assert course(group(), *[AB] * 15, *[A] * 70)[1:] == [(75, "updated", "1 tags (a: timeout)")]


def test_a_tag_that_comes_and_goes_is_told_once():
    assert len(course(group(), *[A] * 15, *([AB] * 5 + [A] * 5) * 20)) == 2


def test_a_further_tag_needs_a_new_acknowledgement_and_a_recovered_one_does_not():
    data = group()
    course(data, *[AB] * 3)
    (raised,) = data.standing()
    data.act(raised.id, acknowledge("anna"), "anna")
    course(data, *[A] * 80, start=3)
    assert data.standing()[0].acknowledged_by == "anna"
    course(data, *[AB] * 20, start=90)
    (standing,) = data.standing()
    assert (standing.acknowledged_by, standing.state) == ("", AlarmState.UNACKNOWLEDGED)


def test_what_cannot_be_judged_is_no_update():
    data = group()
    course(data, *[A] * 15)
    nan = replace(failing(16, **AB), values=np.array([np.nan]))
    assert [data.step(replace(nan, at=T0 + k * S)) for k in range(16, 40)] == [[]] * 24


def test_the_causes_survive_a_restart():
    data = group()
    course(data, *[A] * 15)
    again = group()
    again.restore(data.checkpoint())
    assert course(again, *[A] * 5, start=20) == []
    assert [what for _, what, _ in course(again, *[AB] * 5, start=30)] == ["updated"]


def test_an_update_after_the_clock_went_back_is_not_held_up():
    data = group()
    course(data, *[A] * 15)
    data.restart_delays(T0 - 3600 * S)
    assert [what for _, what, _ in course(data, *[AB] * 5, start=-3600)] == ["updated"]


def test_a_machine_that_stops_during_maintenance_leaves_the_alarm_suppressed_until_its_end():
    pump = machine()
    pump.step(score(0, 20))
    pump.suppression = "maintenance"
    pump.step(score(1, 20))
    (returned,) = pump.step(replace(score(2, float("nan")), idle="stopped"))
    assert (returned.transition, returned.state) == (Transition.RETURNED, AlarmState.SUPPRESSED)
    assert not returned.is_over
    pump.suppression = ""
    (shown,) = pump.step(score(3, 5))
    assert (shown.transition, shown.is_over) == (Transition.UNSUPPRESSED, True)


def test_who_shelved_an_alarm_and_until_when_is_known_after_a_restart():
    pump = machine()
    pump.step(score(0, 20))
    until = T0 + 3600 * S
    shelved = pump.act("pump.anomaly", shelve(until), "anna", "seal is on order")
    assert shelved.shelved_until == until
    again = machine()
    again.restore(pump.checkpoint())
    (alert,) = again.standing()
    assert (alert.by, alert.reason, alert.shelved_until) == ("anna", "seal is on order", until)
    pump.act("pump.anomaly", unshelve, "ben")
    (alert,) = pump.standing()
    assert (alert.by, alert.reason, alert.shelved_until) == ("", "", 0)


def test_a_score_of_which_the_machine_is_not_sure_neither_raises_nor_clears():
    def step(second, value):
        return [a.transition for a in pump.step(Score(second * SECOND, np.array([value]), 1.0))]

    pump = AlarmMachine("pump", [Alarm("anomaly", 10.0)], ["flow"])
    pump.unsure_until = 5 * SECOND
    assert step(4, 20.0) == []
    assert step(5, 20.0) == [Transition.RAISED]
    pump.unsure_until = 8 * SECOND
    assert step(7, 1.0) == []
    pump.restart_delays(0)
    assert step(7, 1.0) == [Transition.RETURNED], "the clock was set back"


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_shelf_lasts_as_long_as_was_asked_for_when_the_clock_is_stepped(step):
    pump = machine()
    pump.step(score(0, 20))
    pump.act("pump.anomaly", shelve(T0 + 600 * S), "anna")
    pump.restart_delays(T0 + (10 + step) * S, step * S)
    assert run_at(pump, step + 599) == []
    assert run_at(pump, step + 600) == [Transition.UNSHELVED]


def test_a_one_shot_shelf_stays_one_when_the_clock_is_stepped():
    pump = machine()
    pump.step(score(0, 20))
    pump.act("pump.anomaly", shelve(None), "anna")
    pump.restart_delays(T0, -3600 * S)
    assert run_at(pump, 10) == []
    assert (pump.standing()[0].state, pump.standing()[0].shelved_until) == (AlarmState.SHELVED, 0)


def run_at(pump, second):
    return [alert.transition for alert in pump.step(score(second, 20))]


def test_comments_on_what_is_over_are_before_what_came_again():
    pump = machine()
    pump.step(score(0, 20))
    pump.step(score(1, 5))
    over = pump.act(pump.standing()[0].id, acknowledge("anna"), "anna")
    (again,) = pump.step(score(2, 20))
    first = pump.comment_on(over, "false", "ben", "")
    second = pump.comment_on(first, "", "ben", "a leak")
    assert over.at < first.at < second.at < again.at
    assert {first.id, second.id} == {over.id}


def test_a_comment_on_what_is_over_has_its_own_time_while_the_alarm_is_normal():
    pump = machine()
    pump.step(score(0, 20))
    pump.step(score(1, 5))
    over = pump.act(pump.standing()[0].id, acknowledge("anna"), "anna")
    pump.step(score(60, 5))
    assert pump.comment_on(over, "false", "ben", "").at == T0 + 60 * S + ACT


def test_a_comment_on_what_is_over_is_before_the_shelf_that_hides_it_now():
    pump = machine()
    pump.step(score(0, 20))
    pump.step(score(1, 5))
    over = pump.act(pump.standing()[0].id, acknowledge("anna"), "anna")
    pump.step(score(62, 5))
    shelved = pump.act("pump.anomaly", shelve(T0 + 600 * S), "anna")
    assert over.at < pump.comment_on(over, "false", "ben", "").at < shelved.at
