"""The sinks, and bytes that were sent."""

from collections.abc import Iterator
from typing import cast

from gateway.api.model import SECOND, Nanos
from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import COMPONENT, Families, Metric, number


def collect(families: Families, health: Health, now: Nanos) -> Iterator[Metric]:
    """The sinks, and bytes that were sent."""
    sinks = [(families.id(d.name, "sink"), d) for d in health.deliveries.values()]
    yield families.gauge(
        "andon_sink_up",
        "Whether the sink took the last batch.",
        COMPONENT,
        [(name, d.up) for name, d in sinks],
    )
    yield families.counter(
        "andon_component_sent_bytes",
        "Bytes that left for a sink.",
        COMPONENT,
        [(name, d.sent_bytes) for name, d in sinks],
    )
    facts = [(name, d.facts()) for name, d in sinks]
    yield families.counter(
        "andon_sink_retries",
        "Batches that were sent again.",
        COMPONENT,
        [(name, number(f["retries"])) for name, f in facts],
    )
    yield families.gauge(
        "andon_sink_last_success_timestamp_seconds",
        "When the sink last took a batch.",
        COMPONENT,
        [(name, number(f["last_success_at"]) / SECOND) for name, f in facts],
    )
    limited = [(name, f) for name, f in facts if f["budget"]]
    yield families.gauge(
        "andon_sink_budget_bytes",
        "Bytes an hour that summaries may bring a sink's traffic to, where that is limited.",
        COMPONENT,
        [(name, number(f["budget"])) for name, f in limited],
    )
    yield families.gauge(
        "andon_sink_budget_spent_bytes",
        "Bytes that left since the full hour, where they are limited.",
        COMPONENT,
        [(name, number(f["spent"])) for name, f in limited],
    )
    yield families.counter(
        "andon_component_sent_events",
        "Points that arrived, by class.",
        [*COMPONENT, "lane"],
        [
            ((*name, lane), count)
            for name, f in facts
            for lane, count in cast("dict[str, int]", f["sent"]).items()
        ],
    )
    yield families.counter(
        "andon_raw_bytes",
        "Bytes that forwarding every sample as line protocol would have sent.",
        [],
        [((), health.raw.plain)],
    )
    yield families.counter(
        "andon_raw_gzip_bytes",
        "The same, compressed in requests of 1,000 lines.",
        [],
        [((), health.raw.zipped)],
    )
    health.record_bytes(now)
    yield families.gauge(
        "andon_day_bytes",
        "The present day's bytes (UTC), restarts included.",
        ["flow"],
        [((flow,), count) for flow, count in health.ledger.today(now).items()],
    )
