"""The buffer: what waits in it, and what it gave up."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from gateway.api.model import SECOND
from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import Families, Metric, number


def collect(families: Families, health: Health) -> Iterator[Metric]:
    """The buffer: what waits in it, and what it gave up."""
    facts = health.buffer
    yield families.gauge(
        "andon_buffer_events",
        "Points that wait for a sink, by class.",
        ["lane"],
        [
            ((lane,), number(facts.get(lane)))
            for lane in ("alerts", "summaries", "gateway", "clips")
        ],
    )
    yield families.gauge(
        "andon_buffer_size_bytes",
        "Bytes that they cost.",
        [],
        [((), number(facts.get("bytes")))],
    )
    yield families.gauge(
        "andon_buffer_oldest_event_timestamp_seconds",
        "Time of the oldest point that waits; 0 if none does.",
        [],
        [((), number(facts.get("oldest_at")) / SECOND)],
    )
    yield families.counter(
        "andon_buffer_discarded_events",
        "Points that the buffer gave up, by class and reason.",
        ["lane", "reason"],
        [
            (tuple(name.split(".", 1)), count)
            for name, count in cast("dict[str, int]", facts.get("dropped_by", {})).items()
        ],
    )
    yield families.gauge(
        "andon_buffer_dead_letters",
        "Points that a sink refused for good.",
        [],
        [((), number(facts.get("dead_letters")))],
    )
    yield families.gauge(
        "andon_buffer_given_up_events",
        "Points given up of which no one has taken note, by sink (empty: lost) and class.",
        ["sink", "lane"],
        list(_given_up(cast("Sequence[Mapping[str, object]]", facts.get("given_up", ())))),
    )
    journal = cast("Mapping[str, object]", facts.get("journal", {}))
    yield families.gauge(
        "andon_journal_entries",
        "Entries of the alarm journal.",
        [],
        [((), number(journal.get("entries")))],
    )
    yield families.gauge(
        "andon_journal_size_bytes",
        "Bytes that they cost, of at most journal.max_bytes.",
        [],
        [((), number(journal.get("bytes")))],
    )
    yield families.counter(
        "andon_journal_missing_entries",
        "Entries that were lost or deleted before their retention, by reason.",
        ["reason"],
        [
            ((reason,), count)
            for reason, count in cast("dict[str, int]", journal.get("missing_by", {})).items()
        ],
    )


def _given_up(facts: Sequence[Mapping[str, object]]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Their number by sink and class."""
    counts = Counter[tuple[str, ...]]()
    for each in facts:
        counts[str(each["sink"]), str(each["class"])] += int(number(each["count"]))
    yield from counts.items()
