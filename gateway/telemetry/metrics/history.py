"""The raw samples that are kept on this machine, and the clips cut from them."""

from collections.abc import Iterator, Mapping
from typing import cast

from gateway.api.model import SECOND
from gateway.telemetry.metrics.families import Families, Metric, number


def collect(families: Families, facts: Mapping[str, object]) -> Iterator[Metric]:
    """The raw samples that are kept on this machine, and the clips cut from them."""
    yield families.counter(
        "andon_history_samples",
        "Samples written to the history, and samples that the disk did not take.",
        ["result"],
        [((result,), number(facts[result])) for result in ("written", "dropped")],
    )
    yield families.gauge(
        "andon_history_size_bytes",
        "Bytes that its files take.",
        [],
        [((), number(facts.get("bytes")))],
    )
    yield families.gauge(
        "andon_history_oldest_sample_timestamp_seconds",
        "Time of its oldest sample; 0 if there is none.",
        [],
        [((), number(facts.get("oldest_at")) / SECOND)],
    )
    clips = cast("dict[str, int]", facts.get("clips"))
    if clips:
        yield from _clips(families, clips)


def _clips(families: Families, facts: Mapping[str, int]) -> Iterator[Metric]:
    yield families.counter(
        "andon_clips",
        "Clips around an alarm that were cut for the sinks, and that were left out.",
        ["result"],
        [((result,), facts[result]) for result in ("cut", "left_out")],
    )
    yield families.counter(
        "andon_clip_samples",
        "Raw samples that clips would have held, and that they were sent with.",
        ["result"],
        [((result,), facts[result]) for result in ("found", "sent")],
    )
    yield families.counter(
        "andon_clips_asked",
        "Clips that a verdict unclear or a near miss of a model asked for.",
        ["by"],
        [(("unclear",), facts["unclear"]), (("near_miss",), facts["near_misses"])],
    )
