import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.alarms import Alarm, Transition
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine

S, T0 = SECOND, 1_700_000_000 * SECOND
NAN = float("nan")


def course(values, **options):
    """One score a second: the seconds at which it was raised, returned, and so on."""
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0, **options)], ["flow"])
    return [
        (second, alert.transition.value)
        for second, value in enumerate(values)
        for alert in machine.step(Score(T0 + second * S, np.array([float(value)]), 1.0))
    ]


@pytest.mark.parametrize(
    ("values", "raised_at"),
    [
        ([11, 9, 11, 9, 11], 4),
        ([11, 11, 11], 2),
        ([11, 9, 9, 9, 11, 9, 11, 9, 9, 9, 9, 9], None),
        ([11, 11, NAN, 11, 9, 9, 9], None),
        ([9, 9, 11, 11, 9, 11], 5),
    ],
)
def test_three_of_the_last_five_scores_raise_it(values, raised_at):
    raised = [at for at, what in course(values, of_last=(3, 5)) if what == "raised"]
    assert raised == ([] if raised_at is None else [raised_at])


@pytest.mark.parametrize(
    ("values", "began"),
    [
        ([11, 9, 11, 9, 11], 0),
        ([9, 9, 11, 11, 9, 11], 2),
        ([11, 9, 9, 11, 9, 11, 11], 3),
        ([11, 11, NAN, 11, 9, 11, 9, 11], 3),
    ],
)
def test_its_condition_began_with_the_first_score_that_counts(values, began):
    options = Alarm("anomaly", 10.0, of_last=(3, 5))
    machine = AlarmMachine("pump", [options], ["flow"])
    (alert,) = (
        alert
        for second, value in enumerate(values)
        for alert in machine.step(Score(T0 + second * S, np.array([float(value)]), 1.0))
    )
    assert alert.transition is Transition.RAISED
    assert alert.began_at == T0 + began * S
    assert f"{alert.opened_at - T0}" == f"{(len(values) - 1) * S}"


def test_the_beginning_is_remembered_over_a_restart():
    options = [Alarm("anomaly", 10.0, of_last=(3, 5))]
    machine = AlarmMachine("pump", options, ["flow"])
    for second in range(2):
        machine.step(Score(T0 + second * S, np.array([11.0]), 1.0))
    state, machine = machine.checkpoint(), AlarmMachine("pump", options, ["flow"])
    machine.restore(state)
    (alert,) = machine.step(Score(T0 + 2 * S, np.array([11.0]), 1.0))
    assert alert.began_at == T0


def test_it_is_raised_by_a_score_beyond_the_threshold_alone():
    assert course([11, 11, 9, 9, 9], of_last=(2, 5)) == [(1, "raised"), (2, "returned")]


def test_an_alarm_is_active_for_its_minimum_duration():
    values = [11, 9, 9, 9, 9, 9, 9]
    assert course(values, minimum_duration=4 * S) == [(0, "raised"), (4, "returned")]
    assert course(values, minimum_duration=2 * S, off_delay=4 * S) == [
        (0, "raised"),
        (5, "returned"),
    ]


def test_an_alarm_that_stays_is_announced_again():
    assert course([11] * 10, realarm_after=4 * S) == [
        (0, "raised"),
        (4, "realarmed"),
        (8, "realarmed"),
    ]


def test_a_new_announcement_needs_a_new_acknowledgement():
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0, realarm_after=2 * S)], ["flow"])
    machine.step(Score(T0, np.array([11.0]), 1.0))
    machine.act("pump.anomaly", acts.acknowledge("anna"))
    machine.step(Score(T0 + S, np.array([11.0]), 1.0))
    (again,) = machine.step(Score(T0 + 2 * S, np.array([11.0]), 1.0))
    assert (again.transition.value, again.state.value) == ("realarmed", "unacknowledged")
    assert again.message.endswith("still active after 2 s")


def test_what_is_shelved_is_not_announced_again():
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0, realarm_after=2 * S)], ["flow"])
    machine.step(Score(T0, np.array([11.0]), 1.0))
    machine.act("pump.anomaly", acts.shelve(T0 + 60 * S))
    alerts = [machine.step(Score(T0 + n * S, np.array([11.0]), 1.0)) for n in range(1, 20)]
    assert alerts == [[]] * 19


def test_the_message_says_since_when_the_condition_holds_not_when_it_was_announced():
    alarm = Alarm("flow.high", 10.0, tag="flow", on_delay=3 * S)
    machine = AlarmMachine("guard", [alarm], ["flow"])
    scores = [Score(T0 + n * S, np.array([11.0]), 1.0) for n in range(4)]
    (raised,) = [alert for score in scores for alert in machine.step(score)]
    (kept,) = machine._memory.values()
    assert (raised.opened_at, kept.began_at) == (T0 + 3 * S, T0)


def test_what_nobody_acknowledges_is_escalated_once_for_each_time():
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0)], ["flow"])
    machine.escalations = (3 * S, 5 * S)
    scores = [Score(T0 + n * S, np.array([11.0]), 1.0) for n in range(10)]
    alerts = [alert for score in scores for alert in machine.step(score)]
    assert [((a.at - T0) // S, a.transition.value) for a in alerts] == [
        (0, "raised"),
        (3, "escalated"),
        (5, "escalated"),
    ]
    assert alerts[1].message == "The line unlike its normal running: not acknowledged after 3 s"


def test_what_is_acknowledged_or_shelved_is_not_escalated():
    for act in (acts.acknowledge("anna"), acts.shelve(T0 + 99 * S)):
        machine = AlarmMachine("pump", [Alarm("anomaly", 10.0)], ["flow"])
        machine.escalations = (3 * S,)
        machine.step(Score(T0, np.array([11.0]), 1.0))
        machine.act("pump.anomaly", act)
        steps = [machine.step(Score(T0 + n * S, np.array([11.0]), 1.0)) for n in range(1, 9)]
        assert steps == [[]] * 8


@pytest.mark.parametrize("step", [-3600, 3600])
@pytest.mark.parametrize(
    ("value", "options", "escalations", "awaited"),
    [
        (9, {"minimum_duration": 4 * S}, (), "returned"),
        (11, {"realarm_after": 4 * S}, (), "realarmed"),
        (11, {}, (4 * S,), "escalated"),
    ],
)
def test_after_a_step_of_the_clock_a_time_limit_starts_again(
    step, value, options, escalations, awaited
):
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0, **options)], ["flow"])
    machine.escalations = escalations
    machine.step(Score(T0, np.array([11.0]), 1.0))
    machine.restart_delays(T0 + step * S)
    told = [
        (second, alert.transition.value)
        for second in range(7)
        for alert in machine.step(Score(T0 + (step + second) * S, np.array([float(value)]), 1.0))
    ]
    assert told[0] == (4, awaited)


def test_an_alarm_that_comes_three_times_in_a_minute_is_held_until_it_is_quiet_for_a_minute():
    values = [11, 9] * 3 + [9] * 20 + [11] + [9] * 70
    assert course(values) == [
        (0, "raised"), (1, "returned"), (2, "raised"), (3, "returned"), (4, "raised"),
        (87, "returned"),
    ]  # fmt: skip


def test_three_activations_in_more_than_a_minute_are_no_chattering():
    values = ([11] + [9] * 30) * 3
    assert [what for _, what in course(values)] == ["raised", "returned"] * 3


def machine_of(**options):
    return AlarmMachine("pump", [Alarm("anomaly", 10.0, **options)], ["flow"])


def test_a_chattering_alarm_says_so_until_it_returned():
    pump = machine_of(title="Pressure high", advice="look at the valve")
    alerts = []
    for second, value in enumerate([11, 9] * 3 + [9] * 60):
        alerts += pump.step(Score(T0 + second * S, np.array([float(value)]), 1.0))
    assert [alert.chattering for alert in alerts] == [False] * 4 + [True, False]
    assert alerts[4].message == (
        "Pressure high. Chattering: 3 times in 60 s, held until it has been quiet for 60 s; "
        "look at the valve"
    )
    assert alerts[5].message == "Pressure high: returned to normal after 1 min"


def test_what_a_restart_interrupts_goes_on_chattering():
    pump = machine_of()
    for second, value in enumerate([11, 9, 11, 9, 11]):
        pump.step(Score(T0 + second * S, np.array([float(value)]), 1.0))
    after = machine_of()
    after.restore(pump.checkpoint())
    assert [alert.chattering for alert in after.standing()] == [True]
    assert after.step(Score(T0 + 6 * S, np.array([9.0]), 1.0)) == []
    assert [a.transition for a in after.step(Score(T0 + 66 * S, np.array([9.0]), 1.0))] == [
        Transition.RETURNED
    ]


def test_a_clock_that_was_set_back_begins_to_count_anew():
    pump = machine_of()
    for second in (0, 1):
        pump.step(Score(T0 + second * S, np.array([11.0 - 2 * second]), 1.0))
    pump.restart_delays(T0 - 3600 * S)
    for second in range(4):
        at = T0 - 3600 * S + second * S
        alerts = pump.step(Score(at, np.array([9.0 + 2 * (second % 2)]), 1.0))
    assert [alert.chattering for alert in alerts] == [False]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from((1, 1, 1, 5, 20, 60))), max_size=80))
def test_no_alarm_is_activated_more_than_three_times_in_a_minute(steps):
    pump, now, raised, beyond = machine_of(), T0, [], T0
    for is_beyond, seconds in steps:
        now += seconds * S
        was_held = any(alert.chattering for alert in pump.standing())
        for alert in pump.step(Score(now, np.array([11.0 if is_beyond else 9.0]), 1.0)):
            if alert.transition is Transition.RAISED:
                raised.append(now)
                assert alert.chattering == (len(raised) > 2 and raised[-1] - raised[-3] <= 60 * S)
            elif was_held:
                assert now - beyond > 60 * S, "it was not quiet for a minute"
        beyond = now if is_beyond else beyond
    assert all(later - first > 60 * S for first, later in zip(raised, raised[3:], strict=False))
