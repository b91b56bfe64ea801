"""What is logged, shown and measured of a line's transitions, once they are stored.

Promises
- `publish` announces each change of maintenance, then each transition, once and in their order.
"""

from collections.abc import Sequence

import structlog

from gateway.api.alarms import Alert, Transition
from gateway.api.model import SECOND, Nanos
from gateway.core.alarms.maintenance import Change
from gateway.telemetry.health import Health
from gateway.telemetry.tap import Tap
from gateway.telemetry.timings import Timings

log = structlog.get_logger()


class Announcements:
    """Transitions and changes of maintenance that wait until they are stored."""

    def __init__(self, health: Health, tap: Tap, timings: Timings) -> None:
        self._health, self._tap, self._timings = health, tap, timings
        self._alerts: list[Alert] = []
        self._changes: list[Change] = []

    def add(self, alerts: Sequence[Alert]) -> None:
        """Transitions for the next `publish`."""
        self._alerts += alerts

    def add_change(self, change: Change) -> None:
        """A change of maintenance for the next `publish`."""
        self._changes.append(change)

    def publish(self, closed: Nanos) -> None:
        """All that waits is stored; `closed` is the end of the newest window that was due."""
        for change in self._changes:
            event = f"maintenance.{change.transition}"
            log.warning(event, by=change.by, why=change.why, source=change.source)
        self._changes.clear()
        for alert in self._alerts:
            if alert.transition is not Transition.ACKNOWLEDGED:
                self._timings.alerted(max(closed - alert.at, 0) / SECOND)
            self._announce(alert)
        self._alerts.clear()

    def _announce(self, alert: Alert) -> None:
        self._health.note_alert(alert)
        self._tap.offer("alerts", alert)
        event = f"alert.{alert.transition}"
        log.warning(
            event,
            id=alert.id,
            severity=str(alert.severity),
            message=alert.message,
            tags=[top.tag for top in alert.top_tags],
        )
