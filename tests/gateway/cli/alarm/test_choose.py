"""Which alarm a person means."""

import pytest

from gateway.cli.alarm.choose import Ambiguous, chosen, hint

ALARMS = [
    {"id": "guard.flow.high-18bc1", "detector": "guard", "alarm": "flow.high"},
    {"id": "guard.flow.high_high-18bc2", "detector": "guard", "alarm": "flow.high_high"},
    {"id": "pump.anomaly-18bc3", "detector": "pump", "alarm": "anomaly"},
]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("guard.flow.high-18bc1", "guard.flow.high-18bc1"),
        ("guard.flow.high", "guard.flow.high-18bc1"),
        ("pump", "pump.anomaly-18bc3"),
        ("pump.anomaly-18bc", "pump.anomaly-18bc"),
        ("guard.flow.low", "guard.flow.low"),
        ("pump.anomaly-2", "pump.anomaly-2"),
    ],
)
def test_an_id_a_name_and_a_beginning_mean_one_alarm_and_others_are_left(given, meant):
    assert chosen(given, ALARMS) == meant


def test_the_beginning_of_several_is_refused_with_their_ids():
    with pytest.raises(Ambiguous, match=r"guard may be guard\.flow\.high-18bc1, guard\."):
        chosen("guard", ALARMS)
    many = [{"id": f"a.b-{n}", "detector": "a", "alarm": "b"} for n in range(9)]
    with pytest.raises(Ambiguous, match=r"a\.b-4 and 4 more: write more of it"):
        chosen("a.b", many)


def test_a_near_miss_is_named():
    assert "pump.anomaly-18bc3" in hint("pump.anomly-18bc3", ALARMS)
    assert hint("pump", []) == "every alarm is normal"
