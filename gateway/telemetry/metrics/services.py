"""The two local services: the HTTP port and the control socket."""

from collections.abc import Iterator

from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import Families, Metric


def collect(families: Families, health: Health) -> Iterator[Metric]:
    """The two local services: the HTTP port and the control socket."""
    services = health.services.items()
    yield families.gauge(
        "andon_service_connections",
        "Open connections to the HTTP port and the control socket.",
        ["service"],
        [((name,), service.open) for name, service in services],
    )
    yield families.counter(
        "andon_service_refused_connections",
        "Connections to them that were refused or given up, by reason.",
        ["service", "reason"],
        [
            ((name, reason), count)
            for name, service in services
            for reason, count in service.ended.items()
        ],
    )
