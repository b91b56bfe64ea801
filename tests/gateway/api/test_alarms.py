"""Alarms: what the properties of them say."""

import pytest

from gateway.api.alarms import Alarm, AlarmState, Alert, Severity, Transition


def test_severities_are_ranked_lowest_first():
    assert sorted(Severity, key=lambda severity: severity.rank) == [
        Severity.LOW,
        Severity.MEDIUM,
        Severity.HIGH,
        Severity.CRITICAL,
    ]
    assert Severity.LOW.rank == 0


@pytest.mark.parametrize(
    ("state", "transition", "active", "over"),
    [
        (AlarmState.NORMAL, Transition.RETURNED, False, True),
        (AlarmState.UNACKNOWLEDGED, Transition.RAISED, True, False),
        (AlarmState.RETURNED_UNACKNOWLEDGED, Transition.RETURNED, False, False),
        (AlarmState.SUPPRESSED, Transition.SUPPRESSED, False, True),
        (AlarmState.SUPPRESSED, Transition.SUPPRESSED, True, False),
        (AlarmState.SHELVED, Transition.RETURNED, False, False),
    ],
)
def test_an_alarm_is_over_when_nothing_of_it_is_left_to_show(state, transition, active, over):
    alert = Alert(
        "id", "pump", "anomaly", state, Severity.LOW, 1, 2, 3.0, 2.0, 3.0,
        transition=transition, is_active=active,
    )  # fmt: skip
    assert alert.is_over is over


def test_by_default_an_alarm_is_of_medium_severity_and_has_no_delays():
    alarm = Alarm("anomaly", 1.0)
    assert (alarm.severity, alarm.on_delay, alarm.off_delay) == (Severity.MEDIUM, 0, 0)
    assert (alarm.hysteresis, alarm.tag, alarm.scope) == (0.0, None, ())
