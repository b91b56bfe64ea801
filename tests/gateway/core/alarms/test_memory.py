import json

import pytest

from gateway.api.alarms import AlarmState, TopTag
from gateway.core.alarms.memory import FOREVER, Memory, remembered


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, AlarmState.NORMAL),
        ({"active": True, "is_open": True}, AlarmState.UNACKNOWLEDGED),
        ({"active": True, "is_open": True, "acknowledged_by": "anna"}, AlarmState.ACKNOWLEDGED),
        ({"is_open": True}, AlarmState.RETURNED_UNACKNOWLEDGED),
        ({"is_open": True, "acknowledged_by": "anna"}, AlarmState.NORMAL),
        ({"is_open": True, "latched": True}, AlarmState.LATCHED_UNACKNOWLEDGED),
        ({"latched": True, "acknowledged_by": "anna"}, AlarmState.LATCHED_ACKNOWLEDGED),
        ({"active": True, "is_open": True, "shelved_until": FOREVER}, AlarmState.SHELVED),
        ({"shelved_until": 5, "suppressed": "stopped"}, AlarmState.SUPPRESSED),
        ({"suppressed": "stopped", "out_of_service": "broken"}, AlarmState.OUT_OF_SERVICE),
    ],
)
def test_the_state_follows_from_the_facts(facts, state):
    assert Memory(**facts).state is state


@pytest.mark.parametrize("pending", [{"since": 5}, {"recent": 2}, {"shelved_until": 5}])
def test_what_is_pending_or_hidden_is_kept_though_it_is_normal(pending):
    assert not Memory(**pending).is_forgettable
    assert Memory().is_forgettable


def test_it_survives_json():
    kept = Memory(since=5, active=True, top=(TopTag("flow", 0.5, 1.0),), causes={"flow": "timeout"})
    assert remembered(json.loads(json.dumps(kept.facts()))) == kept


def test_an_active_alarm_of_an_older_checkpoint_is_open():
    kept = remembered({"since": 0, "active": True, "opened_at": 7, "top": [], "turn": 3, "old": 1})
    assert (kept.is_open, kept.state, kept.epoch) == (True, AlarmState.UNACKNOWLEDGED, 3)
