"""The sources, and samples that were given up."""

from collections.abc import Iterator

from gateway.api.model import SECOND
from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import COMPONENT, Families, Metric


def collect(families: Families, health: Health) -> Iterator[Metric]:
    """The sources, and samples that were given up."""
    sources = [(families.id(s.name, "source"), s) for s in health.sources.values()]
    yield families.gauge(
        "andon_source_up",
        "Whether the source delivers.",
        COMPONENT,
        [(name, s.up) for name, s in sources],
    )
    yield families.counter(
        "andon_source_connects",
        "Sessions that were opened or lost.",
        [*COMPONENT, "result"],
        [((*name, "opened"), s.connects) for name, s in sources]
        + [((*name, "lost"), s.losses) for name, s in sources],
    )
    offsets = health.freshness.offsets()
    yield families.gauge(
        "andon_source_time_offset_seconds",
        "Own time of its newest samples minus their arrival; of its tags the farthest.",
        COMPONENT,
        [(name, off) for name, s in sources if (off := offsets[s.name][0]) is not None],
    )
    yield families.gauge(
        "andon_source_wrong_time_tags",
        "Tags whose samples cannot be used, or come late, for their own time.",
        COMPONENT,
        [(name, offsets[s.name][1]) for name, s in sources],
    )
    yield families.gauge(
        "andon_source_last_sample_timestamp_seconds",
        "Time of the newest sample.",
        COMPONENT,
        [(name, s.last_sample_at / SECOND) for name, s in sources],
    )
    yield families.counter(
        "andon_component_received_events",
        "Samples read.",
        COMPONENT,
        [(name, s.samples) for name, s in sources],
    )
    yield families.counter(
        "andon_component_received_bytes",
        "Bytes that the protocols carried for them.",
        COMPONENT,
        [(name, s.wire_bytes) for name, s in sources],
    )
    line = families.id(health.line, "line")
    yield families.counter(
        "andon_component_discarded_events",
        "Samples, messages or points given up, by reason.",
        [*COMPONENT, "reason"],
        [
            ((*line, "late"), health.late),
            ((*line, "future"), health.future),
            ((*line, "inbox_full"), health.dropped),
            ((*line, "buffer_refused"), health.dropped_points),
            *(((*name, "lost_at_source"), s.lost_samples) for name, s in sources),
            *(((*name, "unmatched"), s.unmatched) for name, s in sources),
        ],
    )
