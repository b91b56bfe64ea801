import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.model import SECOND, Score
from gateway.core.alarms.machine import AlarmMachine

T0 = 1_700_000_000 * SECOND


def many(count, scope=(), **limits):
    """A machine with so many tags, whose one alarm may name any of them or those in `scope`."""
    alarm = Alarm("anomaly", 10.0, scope=scope, **limits)
    return AlarmMachine("pump", [alarm], [f"t{number}" for number in range(count)])


def weighed(*weights, value=20.0, **more):
    return Score(T0, np.array([value]), 0.5, "pump@1", np.array(weights), **more)


def top(pump, one):
    (alert,) = pump.step(one)
    return [(each.tag, each.share) for each in alert.top_tags]


def test_an_alert_names_the_five_strongest_causes_and_no_more():
    weights = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    assert top(many(7), weighed(*weights)) == [
        ("t6", 0.25), ("t5", 0.214), ("t4", 0.179), ("t3", 0.143), ("t2", 0.107),
    ]  # fmt: skip


def test_of_equal_causes_the_first_tags_are_named():
    assert [name for name, _ in top(many(40), weighed(*[1.0] * 40))] == [
        "t0",
        "t1",
        "t2",
        "t3",
        "t4",
    ]


def test_a_tag_that_contributed_nothing_is_not_a_cause():
    assert top(many(4), weighed(0.0, 3.0, -1.0, np.nan)) == [("t1", 1.5)]
    assert top(many(2), weighed(0.0, 0.0)) == []
    assert top(many(2), weighed(-1.0, 1.0)) == []


def test_an_alarm_names_the_tags_of_its_scope():
    assert top(many(3, scope=("t2", "t0")), weighed(1.0, 8.0, 3.0)) == [("t2", 0.75), ("t0", 0.25)]


def test_an_alarm_without_a_scope_or_a_contribution_names_no_tag():
    assert top(many(2, scope=None), weighed(1.0, 1.0)) == []
    assert top(many(2), Score(T0, np.array([20.0]), 1.0)) == []


def test_an_unknown_value_of_a_tag_is_left_out():
    pump = many(2)
    one = weighed(2.0, 1.0, actual=np.array([np.nan, 5.0]), expected=None)
    (alert,) = pump.step(one)
    assert [(each.actual, each.expected) for each in alert.top_tags] == [(None, None), (5.0, None)]


def test_the_one_tag_of_an_alarm_is_its_whole_cause_though_no_value_is_known():
    guard = AlarmMachine("guard", [Alarm("x.high", 1.0, tag="x")], ["flow"])
    (alert,) = guard.step(Score(T0, np.array([2.0]), 1.0, actual=np.array([5.0])))
    (cause,) = alert.top_tags
    assert (cause.tag, cause.share, cause.actual) == ("x", 1.0, None)
