"""The detectors: what they judged, and how."""

from collections.abc import Iterator

from gateway.telemetry.health import Health
from gateway.telemetry.metrics.families import Families, Metric


def collect(families: Families, health: Health) -> Iterator[Metric]:
    """The detectors: what they judged, and how."""
    detectors = [((d.name,), d) for d in health.detectors.values()]
    yield families.counter(
        "andon_model_windows",
        "Windows scored, those that could not be judged, and those of a machine at rest.",
        ["detector", "result"],
        [((*name, "scored"), d.scored) for name, d in detectors]
        + [((*name, "refused"), d.refused) for name, d in detectors]
        + [((*name, "idle"), d.idle) for name, d in detectors],
    )
    yield families.gauge(
        "andon_model_blind",
        "1 if the detector cannot judge all its alarms.",
        ["detector"],
        [(name, d.state in ("blind", "failed")) for name, d in detectors],
    )
    single = [(name, d) for name, d in detectors if d.threshold is not None]
    yield families.gauge(
        "andon_model_score",
        "The last score.",
        ["detector"],
        [(name, d.score) for name, d in single if d.score is not None],
    )
    yield families.gauge(
        "andon_model_threshold",
        "The score above which it alarms.",
        ["detector"],
        [(name, d.threshold or 0.0) for name, d in single],
    )
    yield families.gauge(
        "andon_model_coverage_ratio",
        "Observed cells of the last window.",
        ["detector"],
        [(name, d.coverage) for name, d in detectors],
    )
