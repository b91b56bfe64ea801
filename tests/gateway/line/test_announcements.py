"""What people and programs hear of transitions, after they are stored."""

from dataclasses import replace

import pytest
import structlog

from gateway.api.alarms import AlarmState, Alert, Severity, TopTag, Transition
from gateway.api.model import SECOND
from gateway.core.alarms.maintenance import Change
from gateway.line.announcements import Announcements

RAISED = Alert(
    "pump.anomaly-1", "pump", "anomaly", AlarmState.UNACKNOWLEDGED, Severity.HIGH,
    10 * SECOND, 10 * SECOND, 3.0, 2.0, 3.0, top_tags=(TopTag("flow", 1.0),), message="unlike",
    transition=Transition.RAISED, is_active=True,
)  # fmt: skip


class Heard:
    """Health, tap and timings in one: what each of them was given."""

    def __init__(self):
        self.alerts, self.offered, self.latencies = [], [], []

    def note_alert(self, alert):
        self.alerts.append(alert)

    def offer(self, topic, item):
        self.offered.append((topic, item))

    def alerted(self, seconds):
        self.latencies.append(seconds)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def announcements(heard):
    return Announcements(heard, heard, heard)


def test_nothing_is_announced_before_it_is_stored_and_nothing_twice(announcements, heard):
    announcements.add([RAISED])
    assert (heard.alerts, heard.offered) == ([], [])
    with structlog.testing.capture_logs() as logs:
        announcements.publish(12 * SECOND)
        announcements.publish(13 * SECOND)
    assert (heard.alerts, heard.offered) == ([RAISED], [("alerts", RAISED)])
    assert logs == [
        {
            "event": "alert.raised", "log_level": "warning", "id": "pump.anomaly-1",
            "severity": "high", "message": "unlike", "tags": ["flow"],
        }
    ]  # fmt: skip


def test_the_latency_is_from_the_close_of_the_window_and_never_negative(announcements, heard):
    acknowledged = replace(RAISED, transition=Transition.ACKNOWLEDGED)
    announcements.add([RAISED, acknowledged, replace(RAISED, at=20 * SECOND)])
    announcements.publish(12 * SECOND)
    assert heard.latencies == [2.0, 0.0]


def test_a_change_of_maintenance_is_logged_before_the_alarms_that_it_suppresses(announcements):
    announcements.add([replace(RAISED, transition=Transition.SUPPRESSED)])
    announcements.add_change(Change("began", SECOND, "anna", "oil change", source="command"))
    with structlog.testing.capture_logs() as logs:
        announcements.publish(12 * SECOND)
    assert [each["event"] for each in logs] == ["maintenance.began", "alert.suppressed"]
    assert (logs[0]["by"], logs[0]["source"]) == ("anna", "command")
