"""Trends: the samples of tags over a span of time, in few bins with min, mean and max.

Promises
- A bin without a value is NaN: a gap stays a gap. Bad samples are no values, uncertain ones are.
- A bin is at least `PERIODS` periods of its tag long, so that a regular tag shows no gap between
  two samples.
- Samples may come in any order, and in any number of parts; memory depends on the bins alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.api.model import Floats, Nanos, Quality, SampleBatch, Tag, Times

PERIODS = 2


@dataclass(frozen=True, slots=True)
class Trend:
    """The bins of one tag: the time in the middle of each, int64[n] ns, and its values."""

    at: Times
    min: Floats
    mean: Floats
    max: Floats


class TrendBins:
    """The bins of some tags from `since` up to `until`, to which samples are added.

    `tags` are these tags by their numbers, as the samples have them. A tag has at most `most` bins,
    none of them shorter than `shortest`.
    """

    def __init__(
        self, tags: Mapping[int, Tag], since: Nanos, until: Nanos, most: int, shortest: Nanos = 0
    ) -> None:
        self.tags, self.since, self.until = tags, since, until
        self._position = np.full(max(tags, default=0) + 2, -1, dtype=np.int64)
        self._position[list(tags)] = np.arange(len(tags))
        counts = [_count(tag, until - since, most, shortest) for tag in tags.values()]
        self._edges = np.cumsum([0, *counts])
        total = int(self._edges[-1])
        self._min, self._max = np.full(total, np.inf), np.full(total, -np.inf)
        self._sum, self._count = np.zeros(total), np.zeros(total, dtype=np.int64)

    def add(self, batch: SampleBatch) -> None:
        """Adds the values of these tags in the span, as far as there are any."""
        position = self._position[np.clip(batch.tag, -1, len(self._position) - 1)]
        fits = (position >= 0) & (batch.at >= self.since) & (batch.at < self.until)
        fits &= (batch.quality != Quality.BAD) & np.isfinite(batch.value)
        rows = np.flatnonzero(fits)
        values, once = batch.value[rows], np.ones(len(rows), dtype=np.int64)
        self._add(position[rows], batch.at[rows], values, values, values, once)

    def add_cells(
        self, number: int, at: Times, low: Floats, total: Floats, high: Floats, count: Times
    ) -> None:
        """Adds values of one tag that are combined already: their min, sum, max and number."""
        rows = np.flatnonzero((count > 0) & (at >= self.since) & (at < self.until))
        position = np.full(len(rows), self._position[number])
        self._add(position, at[rows], low[rows], total[rows], high[rows], count[rows])

    def _add(
        self, position: Times, at: Times, low: Floats, total: Floats, high: Floats, count: Times
    ) -> None:
        counts = np.diff(self._edges)[position]
        cell = self._edges[position] + (at - self.since) * counts // (self.until - self.since)
        np.minimum.at(self._min, cell, low)
        np.maximum.at(self._max, cell, high)
        np.add.at(self._count, cell, count)
        with np.errstate(over="ignore", invalid="ignore"):
            np.add.at(self._sum, cell, total)

    def trends(self) -> list[Trend]:
        """The trend of each tag so far."""
        empty = self._count == 0
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.clip(self._sum / np.maximum(self._count, 1), self._min, self._max)
        low, middle, high = (np.where(empty, np.nan, each) for each in (self._min, mean, self._max))
        cuts = [slice(*pair) for pair in zip(self._edges[:-1], self._edges[1:], strict=True)]
        return [Trend(self._middles(cut), low[cut], middle[cut], high[cut]) for cut in cuts]

    def _middles(self, cut: slice) -> Times:
        count = cut.stop - cut.start
        odd = 2 * np.arange(count, dtype=np.int64) + 1
        return np.asarray(self.since + odd * (self.until - self.since) // (2 * count))


def _count(tag: Tag, span: Nanos, most: int, shortest: Nanos) -> int:
    """How many bins a tag has in a span, at most `most` and at least one."""
    return max(min(most, span // max(PERIODS * tag.period, shortest, 1)), 1)
