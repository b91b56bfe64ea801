"""Detection metrics over labelled rows. Pure.

Promises
- Rows, events and episodes are counted as they are: no point adjustment, which makes a random score
  look good, and no threshold chosen on the labels of the evaluation.
- `baselines` gives the F1 of alarming always and of alarming at random on the same rows, to be
  reported with every F1.

Labels and alarms are bool[row], scores float64[row] with NaN where a model was blind. Rates are
shares from 0 to 1. A metric without anything to count is NaN.
"""

import math
from typing import NamedTuple

import numpy as np

from gateway.api.model import SECOND, Bools, Floats, Nanos, Times

THRESHOLDS = 250
"""Number of thresholds of the VUS-PR curve, as in TSB-AD."""


class Counts(NamedTuple):
    """Confusion matrix of rows: true and false positives, false and true negatives."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Sum of both, for pooled recordings."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.hits, 2 * self.hits + self.false + self.missed)

    @property
    def precision(self) -> float:
        """Share of the alarmed rows that are labelled."""
        return _share(self.hits, self.hits + self.false)

    @property
    def recall(self) -> float:
        """Share of the labelled rows that are alarmed."""
        return _share(self.hits, self.hits + self.missed)

    @property
    def far(self) -> float:
        """False alarm rate: share of the normal rows that are alarmed."""
        return _share(self.false, self.false + self.quiet)

    @property
    def mar(self) -> float:
        """Missed alarm rate: share of the labelled rows that are not alarmed."""
        return _share(self.missed, self.hits + self.missed)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def count(labels: Bools, alarms: Bools) -> Counts:
    """Counts rows by label and alarm."""
    hits = int((labels & alarms).sum())
    false, missed = int(alarms.sum()) - hits, int(labels.sum()) - hits
    return Counts(hits, false, missed, len(labels) - hits - false - missed)


class Baselines(NamedTuple):
    """F1 of trivial detectors: alarming on every row, and on a random share of rows."""

    always: float
    random: float


def baselines(counts: Counts) -> Baselines:
    """F1 of the trivial detectors; random alarms are as frequent as the counted ones."""
    labelled = _share(counts.hits + counts.missed, sum(counts))
    alarmed = _share(counts.hits + counts.false, sum(counts))
    return Baselines(
        2 * labelled / (1 + labelled), _share(2 * labelled * alarmed, labelled + alarmed)
    )


def spans(flags: Bools) -> list[tuple[int, int]]:
    """Runs of True as (first row, row after the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def delays(times: Times, labels: Bools, alarms: Bools) -> list[Nanos | None]:
    """Detection delay of each labelled event, ns from its onset to an alarmed row; None: missed."""
    result: list[Nanos | None] = []
    for start, end in spans(labels):
        rows = np.flatnonzero(alarms[start:end])
        result.append(int(times[start + rows[0]] - times[start]) if len(rows) else None)
    return result


def false_episodes(labels: Bools, alarms: Bools) -> int:
    """Number of alarms, from raise to clear, without a labelled row."""
    return sum(not labels[start:end].any() for start, end in spans(alarms))


def hours(times: Times, rows: Bools) -> float:
    """Hours that the marked rows cover, at the median interval of rows."""
    if len(times) < 2:
        return 0.0
    return float(np.median(np.diff(times))) * int(rows.sum()) / (3600 * SECOND)


def without_recovery(labels: Bools, times: Times, grace: Nanos) -> Bools:
    """Bool[row]: all rows but those within `grace`, ns, after an event, of the recovery."""
    counted = np.ones(len(labels), dtype=np.bool_)
    for _, end in spans(labels):
        if end < len(labels):
            counted[end : np.searchsorted(times, times[end - 1] + grace, side="right")] = False
    return counted | labels


def average_precision(labels: Bools, scores: Floats) -> float:
    """Average precision: precision at each distinct score, weighted by the gain in recall."""
    order, scores = _falling(scores)
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    hits = np.cumsum(labels[order])[ends]
    if not labels.any():
        return math.nan
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / labels.sum())


def vus_pr(labels: Bools, scores: Floats, longest: int) -> float:
    """Volume under the surface of precision and recall, over tolerances of 0 to `longest` rows.

    As defined by the benchmark TSB-AD (Liu and Paparrizos, "The Elephant in the Room: Towards a
    Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024; the metric is from Paparrizos
    et al., "Volume Under the Surface", VLDB 2022): each event is widened by half the tolerance on
    both sides, with labels that decay as a square root; recall is multiplied by the share of events
    with an alarm; the curve has 250 thresholds.
    """
    if not labels.any():
        return math.nan
    order, falling = _falling(scores)
    steps = np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)
    alarmed = np.searchsorted(-falling, -falling[steps], side="right")
    areas = [_range_ap(labels, order, alarmed, tolerance) for tolerance in range(longest + 1)]
    return float(np.mean(areas))


def _falling(scores: Floats) -> tuple[Times, Floats]:
    """Order from the highest score to the lowest, blind rows last, and the scores in that order."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-known, kind="stable")
    return order, known[order]


def _range_ap(labels: Bools, order: Times, alarmed: Times, tolerance: int) -> float:
    """Area under the precision-recall curve with `alarmed` rows of `order` alarmed at each step."""
    soft = _widened(labels, tolerance)
    hits = np.cumsum(soft[order])[alarmed - 1]
    beside = np.cumsum(np.where(labels, 0.0, soft)[order])[alarmed - 1]
    recall = np.minimum(hits / (labels.sum() + beside / 2), 1)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    first = np.array([rank[a:b].min() for a, b in _near(labels, tolerance)])
    touched = (first[None, :] < alarmed[:, None]).mean(axis=1)
    gained = np.diff(recall * touched, prepend=0)
    return float((gained * hits / alarmed).sum())


def _widened(labels: Bools, tolerance: int) -> Floats:
    """Soft labels: 1 on labelled rows, decaying over half the tolerance around them."""
    soft = labels.astype(np.float64)
    away = np.arange(1, tolerance // 2 + 1)
    fall = np.sqrt(1 - away / max(tolerance, 1))
    for start, end in spans(labels):
        after = min(len(away), len(labels) - end)
        soft[end : end + after] += fall[:after]
        before = min(len(away), start)
        soft[start - before : start] += fall[:before][::-1]
    return np.minimum(soft, 1)


def _near(labels: Bools, tolerance: int) -> list[tuple[int, int]]:
    """Events widened by half the tolerance; overlapping ones are merged."""
    half = tolerance // 2
    near = np.zeros(len(labels), dtype=np.bool_)
    for start, end in spans(labels):
        near[max(start - half, 0) : end + half] = True
    return spans(near)
