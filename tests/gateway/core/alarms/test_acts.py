import numpy as np
import pytest

from gateway.api.alarms import Alarm, AlarmState, Transition
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Score
from gateway.core.alarms import acts
from gateway.core.alarms.machine import ACT, NEXT_ACT, AlarmMachine

S, T0 = SECOND, 1_700_000_000 * SECOND
NAME = "pump.anomaly"


class Pump:
    """A machine with one alarm, a score a second."""

    def __init__(self, **options):
        self.machine = AlarmMachine("pump", [Alarm("anomaly", 10.0, **options)], ["flow"], T0)
        self.second = 0

    def scored(self, *values):
        alerts = []
        for value in values:
            self.second += 1
            at = T0 + self.second * S
            alerts += self.machine.step(Score(at, np.array([float(value)]), 1.0))
        return [(alert.transition.value, alert.state.value) for alert in alerts]

    def does(self, act, **said):
        alert = self.machine.act(NAME, act, **said)
        return alert.transition.value, alert.state.value


def test_a_returned_alarm_waits_for_its_acknowledgement():
    pump = Pump()
    assert pump.scored(11, 9) == [
        ("raised", "unacknowledged"),
        ("returned", "returned_unacknowledged"),
    ]
    assert pump.does(acts.acknowledge("anna")) == ("acknowledged", "normal")
    assert pump.scored(*[9] * 60) == []
    assert pump.machine.checkpoint() == b"{}", "its activation is too old to matter"
    with pytest.raises(CommandRefused, match="nothing to acknowledge"):
        pump.does(acts.acknowledge("anna"))


def test_a_latched_alarm_stays_until_it_is_acknowledged_and_reset():
    pump = Pump(latch=True)
    assert pump.scored(11, 9)[1:] == [("returned", "latched_unacknowledged")]
    with pytest.raises(CommandRefused, match="acknowledge it first"):
        pump.does(acts.reset)
    assert pump.does(acts.acknowledge("anna")) == ("acknowledged", "latched_acknowledged")
    assert pump.does(acts.reset, by="ben") == ("reset", "normal")


def test_a_latched_alarm_cannot_be_reset_while_its_condition_holds():
    pump = Pump(latch=True)
    pump.scored(11)
    pump.does(acts.acknowledge("anna"))
    with pytest.raises(CommandRefused, match="still holds"):
        pump.does(acts.reset)


def test_only_a_latched_alarm_can_be_reset():
    pump = Pump()
    pump.scored(11)
    with pytest.raises(CommandRefused, match="not latched"):
        pump.does(acts.reset)


def test_a_shelf_hides_what_comes_and_ends_by_itself():
    pump = Pump()
    assert pump.does(acts.shelve(T0 + 5 * S), by="anna") == ("shelved", "shelved")
    assert pump.scored(9, 11, 11, 11) == [("raised", "shelved")]
    assert pump.scored(11) == [("unshelved", "unacknowledged")]
    assert pump.scored(9) == [("returned", "returned_unacknowledged")]


def test_what_returned_on_the_shelf_is_normal_after_it():
    pump = Pump()
    pump.scored(11)
    pump.does(acts.shelve(T0 + 5 * S))
    assert pump.scored(9, 9, 9) == [("returned", "shelved")]
    assert pump.scored(9) == [("unshelved", "normal")]


def test_an_acknowledgement_does_not_outlive_the_shelf():
    pump = Pump()
    pump.scored(11)
    pump.does(acts.acknowledge("anna"))
    pump.does(acts.shelve(T0 + 60 * S))
    assert pump.does(acts.unshelve, by="anna") == ("unshelved", "unacknowledged")
    with pytest.raises(CommandRefused, match="not shelved"):
        pump.does(acts.unshelve)


def test_a_one_shot_shelf_ends_with_the_condition():
    pump = Pump()
    with pytest.raises(CommandRefused, match="shelve it for a time instead"):
        pump.does(acts.shelve(None))
    pump.scored(11)
    assert pump.does(acts.shelve(None)) == ("shelved", "shelved")
    assert pump.scored(*[11] * 50) == []
    assert pump.scored(9) == [("returned", "normal")]
    assert pump.scored(11) == [("raised", "unacknowledged")]


def test_a_shelf_that_ends_in_the_past_is_refused():
    pump = Pump()
    with pytest.raises(CommandRefused, match="in the past"):
        pump.does(acts.shelve(T0))


def test_out_of_service_lasts_until_somebody_puts_it_back():
    pump = Pump()
    pump.scored(11)
    taken = acts.take_out_of_service("probe is broken")
    assert pump.does(taken, by="ben") == ("taken_out_of_service", "out_of_service")
    assert pump.scored(9, 11) == [("returned", "out_of_service"), ("raised", "out_of_service")]
    for act in (taken, acts.shelve(T0 + 99 * S)):
        with pytest.raises(CommandRefused, match="out of service: probe is broken"):
            pump.does(act)
    assert pump.does(acts.return_to_service) == ("returned_to_service", "unacknowledged")
    with pytest.raises(CommandRefused, match="it is in service"):
        pump.does(acts.return_to_service)


def test_several_acts_between_two_windows_have_times_of_their_own():
    pump = Pump()
    pump.scored(11)
    made = [
        pump.machine.act(NAME, act)
        for act in (acts.acknowledge("a"), acts.shelve(T0 + 9 * S), acts.unshelve)
    ]
    newest = T0 + S
    assert [each.at - newest for each in made] == [ACT, ACT + NEXT_ACT, ACT + 2 * NEXT_ACT]


def test_too_many_acts_between_two_windows_are_refused_and_change_nothing():
    pump = Pump()
    pump.scored(11)
    for _ in range(25):
        pump.does(acts.shelve(T0 + 9 * S))
        pump.does(acts.unshelve)
    before = pump.machine.checkpoint()
    with pytest.raises(CommandRefused, match="try again in a second"):
        pump.does(acts.shelve(T0 + 9 * S))
    assert pump.machine.checkpoint() == before
    pump.scored(11)
    assert pump.does(acts.shelve(T0 + 9 * S)) == ("shelved", "shelved")


def test_an_act_says_who_did_it_and_why():
    pump = Pump()
    pump.scored(11)
    alert = pump.machine.act(NAME, acts.shelve(None), by="anna", why="spare part ordered")
    assert (alert.by, alert.reason) == ("anna", "spare part ordered")
    assert alert.message.endswith("shelved by anna until it returns to normal: spare part ordered")


def test_maintenance_suppresses_what_is_active_and_what_comes():
    pump = Pump()
    pump.scored(11)
    pump.machine.suppression = "maintenance by anna"
    assert pump.scored(11, 11) == [("suppressed", "suppressed_by_design")]
    assert pump.scored(9, 11) == [
        ("returned", "suppressed_by_design"),
        ("raised", "suppressed_by_design"),
    ]
    pump.machine.suppression = ""
    assert pump.scored(11) == [("unsuppressed", "unacknowledged")]


def test_an_alarm_that_nobody_knows_is_none():
    assert Pump().machine.act("pump.other", acts.reset) is None


def test_a_transition_of_an_act_is_one_of_the_model():
    pump = Pump()
    pump.scored(11)
    alert = pump.machine.act(NAME, acts.acknowledge("anna"), "anna")
    assert (alert.transition, alert.state) == (Transition.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
    assert alert.is_active
