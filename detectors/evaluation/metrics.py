"""Measures of detection over labelled rows. Pure.

Promises
- Every measure counts rows, events or episodes as they are: no point adjustment, which lets a
  random score look good, and no threshold chosen on the labels it is judged by.
- An F1 never stands alone: `baselines` gives what alarming always and alarming at random reach on
  the same rows.

Labels and alarms are bool[row], scores float64[row] with NaN where a model was blind. Rates are
shares from 0 to 1. A measure that has nothing to count is NaN.
"""

import math
from typing import NamedTuple

import numpy as np

from gateway.api.model import SECOND, Bools, Floats, Nanos, Times

THRESHOLDS = 250
"""At which the curve of VUS-PR is taken, as in TSB-AD."""


class Counts(NamedTuple):
    """Rows by label and alarm; counts of several recordings add up to the pooled ones."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
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
    """Rows by label and alarm."""
    hits = int((labels & alarms).sum())
    false, missed = int(alarms.sum()) - hits, int(labels.sum()) - hits
    return Counts(hits, false, missed, len(labels) - hits - false - missed)


class Baselines(NamedTuple):
    """F1 that needs no skill: alarming on every row, and on a random share of rows."""

    always: float
    random: float


def baselines(counts: Counts) -> Baselines:
    """What no skill reaches on these rows; random alarms are as frequent as the judged ones."""
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
    """For each labelled event the time from its onset to the first alarmed row in it, or None."""
    found: list[Nanos | None] = []
    for start, end in spans(labels):
        rows = np.flatnonzero(alarms[start:end])
        found.append(int(times[start + rows[0]] - times[start]) if len(rows) else None)
    return found


def false_episodes(labels: Bools, alarms: Bools) -> int:
    """Alarms, from raise to clear, of which no row is labelled."""
    return sum(not labels[start:end].any() for start, end in spans(alarms))


def hours(times: Times, rows: Bools) -> float:
    """How long these rows stand for, with the median distance of rows."""
    if len(times) < 2:
        return 0.0
    return float(np.median(np.diff(times))) * int(rows.sum()) / (3600 * SECOND)


def without_recovery(labels: Bools, times: Times, grace: Nanos) -> Bools:
    """Which rows count when a machine may take `grace` after each event to become normal again."""
    counted = np.ones(len(labels), dtype=np.bool_)
    for _, end in spans(labels):
        if end < len(labels):
            counted[end : np.searchsorted(times, times[end - 1] + grace, side="right")] = False
    return counted | labels


def average_precision(labels: Bools, scores: Floats) -> float:
    """Precision at every score that is met, weighted by the recall gained there."""
    order, scores = _falling(scores)
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    hits = np.cumsum(labels[order])[ends]
    if not labels.any():
        return math.nan
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (ends + 1)).sum() / labels.sum())


def vus_pr(labels: Bools, scores: Floats, longest: int) -> float:
    """Volume under the surface of precision and recall, over tolerances of 0 to `longest` rows.

    As the benchmark TSB-AD defines it (Liu and Paparrizos, "The Elephant in the Room: Towards a
    Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024; the measure is of Paparrizos
    et al., "Volume Under the Surface", VLDB 2022): each event is widened by half the tolerance on
    both sides, with labels that fall off as a square root; recall is multiplied by the share of
    events that are touched; the curve is taken at 250 thresholds.
    """
    if not labels.any():
        return math.nan
    order, falling = _falling(scores)
    steps = np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)
    alarmed = np.searchsorted(-falling, -falling[steps], side="right")
    areas = [_range_ap(labels, order, alarmed, tolerance) for tolerance in range(longest + 1)]
    return float(np.mean(areas))


def _falling(scores: Floats) -> tuple[Times, Floats]:
    """The order from the highest score to the lowest, blind rows last, and the scores so."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-known, kind="stable")
    return order, known[order]


def _range_ap(labels: Bools, order: Times, alarmed: Times, tolerance: int) -> float:
    """Area under precision and recall where `alarmed` rows of `order` are alarmed at each step."""
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
    """1 on labelled rows, falling off over half the tolerance beside them."""
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
    """Events with half the tolerance around them; those that then touch are one."""
    half = tolerance // 2
    near = np.zeros(len(labels), dtype=np.bool_)
    for start, end in spans(labels):
        near[max(start - half, 0) : end + half] = True
    return spans(near)
