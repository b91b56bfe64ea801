"""Prometheus metrics of one line: `Health` as a collector, beside the histograms of `Timings`.

Names follow Prometheus's rules and Vector's component spec: base units, `_total` for counters,
timestamps instead of ages, `line` on every series, no label per tag. docs/metrics.md lists them.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.api.model import Nanos
from gateway.telemetry.health import Health
from gateway.telemetry.metrics import (
    buffer,
    delivery,
    detectors,
    history,
    line,
    parts,
    services,
    sources,
)
from gateway.telemetry.metrics.families import Families
from gateway.telemetry.timings import Timings


class HealthCollector(Collector):
    """`Health` at the moment of the scrape; `types` are the plugins' types by part name."""

    def __init__(
        self, health: Health, types: Mapping[str, str], clock: Callable[[], Nanos]
    ) -> None:
        self._health, self._clock = health, clock
        self._families = Families(health.line, types)

    def collect(self) -> Iterator[Metric]:
        """All families, by subject."""
        families, health, now = self._families, self._health, self._clock()
        yield from line.collect(families, health, now)
        yield from parts.collect(families, health, now)
        yield from sources.collect(families, health)
        yield from detectors.collect(families, health)
        yield from delivery.collect(families, health, now)
        yield from buffer.collect(families, health)
        yield from services.collect(families, health)
        if health.history is not None:
            yield from history.collect(families, health.history())


def exposition(timings: Timings, collector: HealthCollector) -> Callable[[], bytes]:
    """A function that renders everything in Prometheus's text format."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # their `_created` series double every histogram for no use
    timings.registry.register(collector)
    ProcessCollector(registry=timings.registry)
    PlatformCollector(registry=timings.registry)
    return lambda: generate_latest(timings.registry)
