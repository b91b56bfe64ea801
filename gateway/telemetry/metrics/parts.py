"""The parts of the line that may get stuck."""

from collections.abc import Iterator

from gateway.api.model import SECOND, Nanos
from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import Families, Metric, number


def collect(families: Families, health: Health, now: Nanos) -> Iterator[Metric]:
    """The parts of the line that may get stuck."""
    facts = [((str(each["part"]),), each) for each in health.beats.facts()]
    yield families.gauge(
        "andon_part_stuck",
        "1 for a part that waits for longer than its limit, or fails again and again.",
        ["part"],
        [(name, bool(each["stuck"])) for name, each in facts],
    )
    yield families.counter(
        "andon_part_hangs",
        "How often a part got stuck.",
        ["part"],
        [(name, number(each["hangs"])) for name, each in facts],
    )
    yield families.gauge(
        "andon_part_beat_timestamp_seconds",
        "When a part last began or ended something.",
        ["part"],
        [(name, now / SECOND - number(each["for_s"])) for name, each in facts],
    )
