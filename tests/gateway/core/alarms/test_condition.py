import numpy as np
import pytest

from gateway.api.model import SECOND, Alarm, Score
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
