import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.alarms import Alarm, Transition
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.cascade import Upstream
from gateway.core.alarms.context import Context, first_out
from gateway.core.alarms.flood import DETECTOR, FloodWatch
from gateway.core.alarms.machine import AlarmMachine

T0 = 1_700_000_000 * SECOND
COUNT = 20
UPSTREAM = {
    "guard.a15": [Upstream("guard.a16")],
    "guard.a16": [Upstream("guard.a17"), Upstream("guard.a18", frozenset(["flow"]))],
    "guard.a17": [Upstream("guard.a15")],
    "guard.a14": [Upstream("guard.a18", frozenset(["speed"]))],
    "guard.a13": [Upstream("guard.a18", frozenset(["flow"]))],
}


class Line:
    """One detector with many alarms, and what its alarms mean together."""

    def __init__(self, upstream=UPSTREAM, **options):
        alarms = [Alarm(f"a{n}", 10.0, tag="flow", **options) for n in range(COUNT)]
        self.machine = AlarmMachine("guard", alarms, ["flow"], T0)
        self.flood = AlarmMachine(DETECTOR, FloodWatch.alarms, (), T0)
        self.context = Context(
            self.flood, {f"guard.a{n}": f"Alarm {n}" for n in range(COUNT)}, upstream
        )

    def at(self, second, *wrong):
        """The transitions while these alarms' conditions hold."""
        now = T0 + second * SECOND
        values = np.array([20.0 if n in wrong else 0.0 for n in range(COUNT)])
        return self.context.follow(self.machine.step(Score(now, values, 1.0)), now)

    def restarted(self):
        after = Line()
        after.machine.restore(self.machine.checkpoint())
        after.flood.restore(self.flood.checkpoint())
        after.context.restore(self.context.checkpoint())
        return after


def marks(alerts):
    return [(alert.transition.value, alert.in_flood) for alert in alerts]


def test_what_is_raised_in_a_flood_has_the_mark_and_the_flood_alarm_has_not():
    line = Line()
    assert marks(line.at(0, *range(10))) == [("raised", False)] * 10
    assert not line.context.is_flood
    assert marks(line.at(1, *range(11))) == [("raised", True), ("raised", False)]
    assert line.context.is_flood


def test_an_alarm_that_was_raised_in_a_flood_keeps_the_mark_when_it_returns_later():
    line = Line()
    line.at(0, 0)
    line.at(1, *range(12))
    assert marks(line.at(700, *range(12))) == [("returned", False)], "the flood's own"
    returned = line.at(701)
    assert marks(returned) == [("returned", False)] + [("returned", True)] * 11


def test_an_alarm_that_is_announced_once_more_after_the_flood_has_no_mark():
    line = Line(realarm_after=1000 * SECOND)
    line.at(0, *range(12))
    line.at(700, *range(12))
    assert marks(line.at(1000, *range(12))) == [("realarmed", False)] * 12


def test_the_marks_of_open_alarms_survive_a_restart():
    line = Line()
    line.at(0, *range(12))
    after = line.restarted()
    assert after.context.is_flood
    assert after.context.checkpoint() == line.context.checkpoint()
    standing = after.context.standing(after.machine.standing())
    assert standing == line.context.standing(line.machine.standing())
    assert {alert.in_flood for alert in standing} == {True}
    (flood,) = after.context.standing(after.flood.standing())
    assert flood.message == (
        "Alarm flood: 12 alarms within 10 minutes; begin with the first of them: Alarm 0"
    )


def test_what_is_over_leaves_nothing_behind():
    line = Line()
    line.at(0, *range(3))
    for alert in line.at(1):
        line.context.marked(line.machine.act(alert.id, acts.acknowledge("anna")))
    line.at(700)
    assert line.context.checkpoint() == b"{}"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_alarms_of_one_moment_are_in_the_order_of_their_onset(order):
    slow = AlarmMachine("slow", [Alarm("a", 10.0, on_delay=5 * SECOND)], [], T0)
    quick = AlarmMachine("quick", [Alarm("a", 10.0)], [], T0)
    beyond, now = np.array([20.0]), T0 + 9 * SECOND
    slow.step(Score(T0 + 4 * SECOND, beyond, 1.0))
    both = [slow.step(Score(now, beyond, 1.0)), quick.step(Score(now, beyond, 1.0))]
    alerts = [*both[order[0]], *both[order[1]]]
    assert [alert.detector for alert in first_out(alerts)] == ["slow", "quick"]


def raised(alerts):
    """What was raised, with the alarm that it follows from."""
    return {
        alert.alarm: alert.caused_by.partition("-")[0]
        for alert in alerts
        if alert.transition is Transition.RAISED
    }


def test_an_alarm_names_the_upstream_alarm_that_is_active():
    line = Line()
    assert raised(line.at(0, 16)) == {"a16": ""}
    (alert,) = line.at(1, 16, 15)
    assert alert.caused_by == f"guard.a16-{T0 // 1_000_000:x}"


def test_an_alarm_that_was_there_before_its_upstream_alarm_follows_from_nothing():
    line = Line()
    assert raised(line.at(0, 15)) == {"a15": ""}
    assert raised(line.at(1, 15, 16)) == {"a16": ""}


def test_a_cause_of_the_same_moment_counts_whatever_the_order():
    assert raised(Line().at(0, 15, 16)) == {"a15": "guard.a16", "a16": ""}


def test_alarms_never_follow_from_each_other_in_a_ring():
    assert raised(Line().at(0, 15, 16, 17)) in (
        {"a15": "", "a16": "guard.a17", "a17": "guard.a15"},
        {"a15": "guard.a16", "a16": "guard.a17", "a17": ""},
        {"a15": "guard.a16", "a16": "", "a17": "guard.a15"},
    )


def test_an_upstream_alarm_counts_only_while_it_names_the_tag_that_matters():
    line = Line()
    line.at(0, 18)
    assert raised(line.at(1, 18, 13, 14)) == {"a13": "guard.a18", "a14": ""}


def test_an_upstream_alarm_counts_that_was_active_when_the_condition_began():
    slow = AlarmMachine("slow", [Alarm("a", 10.0, on_delay=60 * SECOND)], [], T0)
    line = Line(upstream={"slow.a": [Upstream("guard.a0")]})
    line.at(0, 0)
    slow.step(Score(T0 + 5 * SECOND, np.array([20.0]), 1.0))
    line.at(10)
    (late,) = slow.step(Score(T0 + 65 * SECOND, np.array([20.0]), 1.0))
    assert raised(line.context.follow([late], T0 + 65 * SECOND)) == {"a": "guard.a0"}
    slow.step(Score(T0 + 70 * SECOND, np.array([0.0]), 1.0))
    slow.step(Score(T0 + 80 * SECOND, np.array([20.0]), 1.0))
    (later,) = slow.step(Score(T0 + 140 * SECOND, np.array([20.0]), 1.0))
    assert raised(line.context.follow([later], T0 + 140 * SECOND)) == {"a": ""}


def test_an_alarm_keeps_its_cause_until_it_is_raised_again():
    line = Line()
    line.at(0, 16)
    line.at(1, 16, 15)
    after = line.restarted()
    for each in (line, after):
        assert {a.caused_by.partition("-")[0] for a in each.at(2) if a.alarm == "a15"} == {
            "guard.a16"
        }
        assert raised(each.at(3, 15)) == {"a15": ""}


def test_what_follows_from_another_alarm_is_no_part_of_a_flood():
    line = Line()
    line.at(0, 18)
    line.at(1, *range(8), 18)
    assert raised(line.at(2, *range(9), 13, 18)) == {"a8": "", "a13": "guard.a18"}
    assert not line.context.is_flood
    line.at(3, *range(10), 13, 18)
    assert line.context.is_flood


@given(st.lists(st.sets(st.integers(0, COUNT - 1)), max_size=12), st.randoms())
def test_a_restart_changes_no_order_no_mark_and_no_cause(seconds, random):
    plain, broken = Line(), Line()
    for second, wrong in enumerate(seconds):
        if random.random() < 0.3:
            broken = broken.restarted()
        alerts = plain.at(40 * second, *wrong)
        assert broken.at(40 * second, *wrong) == alerts
        assert broken.context.checkpoint() == plain.context.checkpoint()
        ids = {alert.id for alert in plain.context.standing(plain.machine.standing())}
        assert all(alert.caused_by != alert.id for alert in alerts)
        assert {a.id for a in alerts if a.transition is Transition.RAISED} - ids <= {
            a.id for a in alerts if a.detector == DETECTOR
        }
