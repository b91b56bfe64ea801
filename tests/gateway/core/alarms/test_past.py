"""Alerts that are read back from the journal."""

import math

import numpy as np
import pytest

from gateway.api.alarms import Alarm
from gateway.api.model import SECOND, Score
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.past import remembered_alert
from gateway.telemetry.status import alert_facts

T0 = 1_700_000_000 * SECOND


def raised():
    machine = AlarmMachine("pump", [Alarm("anomaly", 10.0)], ["flow"])
    (alert,) = machine.step(Score(T0, np.array([20.0]), math.nan, contribution=np.array([1.0])))
    return alert


def test_an_alert_is_read_back_as_it_was():
    alert = raised()
    again = remembered_alert(alert_facts(alert))
    assert math.isnan(again.coverage)
    assert (again.id, again.top_tags, again.state) == (alert.id, alert.top_tags, alert.state)


@pytest.mark.parametrize(
    "wrong",
    [{"state": "gone"}, {"value": "x"}, {"top_tags": None}, {"top_tags": [{"name": "x"}]}],
)
def test_what_cannot_be_an_alert_is_none(wrong):
    assert remembered_alert({**alert_facts(raised()), **wrong}) is None
    assert remembered_alert({}) is None
