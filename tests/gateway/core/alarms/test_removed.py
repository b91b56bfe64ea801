"""The end of alarms that are not in the line file any more."""

import numpy as np
import pytest

from gateway.api.alarms import (
    Alarm,
    AlarmState,
    Severity,
    Transition,
)
from gateway.api.model import SECOND as S
from gateway.api.model import (
    Score,
)
from gateway.core.alarms import acts
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.removed import ended, last_known, left_behind
from gateway.core.alarms.words import Words

T0 = 1_700_000_000 * S


def machine(*names):
    alarms = [Alarm(name, 10.0, Severity.HIGH, tag="flow") for name in names]
    guard = AlarmMachine("guard", alarms, ["flow"], T0)
    guard.alerts = guard.step(Score(T0, np.full(len(names), 20.0), 1.0))
    return guard


def test_what_is_open_or_hidden_and_not_known_is_left_behind():
    guard = machine("flow.high", "flow.high_high")
    assert left_behind(guard.checkpoint(), ["flow.high"]).keys() == {"flow.high_high"}
    assert left_behind(guard.checkpoint(), ["flow.high", "flow.high_high"]) == {}


def test_what_only_runs_a_delay_leaves_nothing_behind():
    guard = AlarmMachine("guard", [Alarm("a", 10.0, on_delay=5 * S)], ["flow"], T0)
    guard.step(Score(T0, np.array([20.0]), 1.0))
    assert b'"a"' in guard.checkpoint()
    assert left_behind(guard.checkpoint(), []) == {}


@pytest.mark.parametrize(
    "act", [acts.acknowledge("anna"), acts.shelve(T0 + 60 * S), acts.take_out_of_service("broken")]
)
def test_its_end_has_its_id_and_leaves_nothing_to_show(act):
    guard = machine("flow.high")
    last = guard.act("guard.flow.high", act, "anna", "seen")
    end = ended(last, T0 + 9 * S, Words("l"), "c2")
    assert (end.id, end.severity, end.tag) == (last.id, Severity.HIGH, "flow")
    assert (end.transition, end.state) == (Transition.REMOVED, AlarmState.NORMAL)
    assert (end.is_over, end.at, end.by, end.config) == (True, T0 + 9 * S, "", "c2")
    assert end.message == "Flow high: ended: it is not in the line file any more"


def test_without_its_last_alert_the_checkpoint_knows_its_id():
    guard = machine("flow.high")
    kept = left_behind(guard.checkpoint(), [])["flow.high"]
    last = last_known("guard", "flow.high", kept)
    (raised,) = guard.alerts
    assert (last.id, last.opened_at, last.is_active) == (raised.id, T0, True)
    assert ended(last, T0 + S, Words("l"), "").is_over
