"""The line itself: its state, clock, alarms, tags."""

from collections.abc import Iterator

from gateway import __version__
from gateway.api.alarms import Severity
from gateway.api.model import Nanos
from gateway.core.alarms.flood import DETECTOR as FLOODS
from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import Families, Metric


def collect(families: Families, health: Health, now: Nanos) -> Iterator[Metric]:
    """The line itself: its state, clock, alarms, tags."""
    yield families.gauge(
        "andon_build_info", "The running version.", ["version"], [((__version__,), 1)]
    )
    yield families.gauge(
        "andon_line_state",
        "1 for the state that the line is in.",
        ["state"],
        [((state,), health.overall == state) for state in ("ok", "degraded", "blind")],
    )
    yield families.gauge(
        "andon_clock_trusted",
        "Whether the wall clock is trusted.",
        [],
        [((), not health.clock)],
    )
    yield families.gauge(
        "andon_state_folder_ok",
        "Whether the state folder is in its place and its disk takes writes.",
        [],
        [((), not health.state_folder)],
    )
    yield families.counter(
        "andon_clock_steps", "Steps of the wall clock.", [], [((), health.clock_steps)]
    )
    yield families.gauge(
        "andon_maintenance",
        "Whether the line is in maintenance, which suppresses its process alarms.",
        [],
        [((), bool(health.maintenance["on"]))],
    )
    active = [alert.severity for alert in health.active.values()]
    yield families.gauge(
        "andon_alarms_active",
        "Alarms that are active now.",
        ["severity"],
        [((severity.value,), active.count(severity)) for severity in Severity],
    )
    yield families.counter(
        "andon_alerts_raised", "Alarms raised since the start.", [], [((), health.raised)]
    )
    yield families.gauge(
        "andon_alarm_flood",
        "Whether an alarm flood is active: more than 10 alarms within 10 minutes.",
        [],
        [((), any(alert.detector == FLOODS for alert in health.active.values()))],
    )
    yield families.gauge(
        "andon_alarms_chattering",
        "Alarms that are held active because they were activated 3 times within 60 s.",
        [],
        [((), sum(alert.chattering for alert in health.open))],
    )
    yield families.counter(
        "andon_alarms_chattered",
        "Alarms that were recognised as chattering since the start.",
        [],
        [((), health.chattered)],
    )
    yield families.counter(
        "andon_task_restarts",
        "Tasks that failed unexpectedly and were started again.",
        [],
        [((), health.restarts)],
    )
    yield families.gauge(
        "andon_sensors",
        "Tags by the state of their data.",
        ["state"],
        [((s,), n) for s, n in health.freshness.counts(now).items()],
    )
