"""The last hour of a line without history: per tag the min, mean and max of short cells, in memory.

Promises
- Memory is bounded: at most `MOST_CELLS` cells of all tags, some 12 MB. With many tags a cell is
  longer, and the hour stays an hour.
- It is lost with the process. Importing this module imports no pyarrow.
"""

import numpy as np

from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Floats, Nanos, Quality, SampleBatch, Times
from gateway.core.trends import TrendBins

SPAN: Nanos = 3600 * SECOND
SHORTEST: Nanos = 10 * SECOND
MOST_CELLS = 400_000


class Recent:
    """The newest cells of each tag of a line, as a ring."""

    from_history = False

    def __init__(self, tags: int, now: Nanos) -> None:
        self._started = now
        cells = max(min(SPAN // SHORTEST, MOST_CELLS // max(tags, 1)), 2)
        self.shortest: Nanos = -(-SPAN // cells)
        shape = (cells, tags)
        self._min, self._max = np.full(shape, np.inf), np.full(shape, -np.inf)
        self._sum, self._count = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        self._of = np.full(cells, -1, dtype=np.int64)
        """Which cell since 1970 is in each place of the ring."""

    def note(self, now: Nanos, batch: SampleBatch | None) -> None:
        """Takes in the samples that had arrived at the tick `now`; the line's tag numbers."""
        if batch is None:
            return
        # A device's clock may be ahead by a little.
        newest = now // self.shortest + 1
        number = batch.at // self.shortest
        fits = (number > newest - len(self._of)) & (number <= newest)
        fits &= (batch.quality != Quality.BAD) & np.isfinite(batch.value)
        for each in np.unique(number[fits]).tolist():
            self._begin(each)
        where = number[fits] % len(self._of) * self._min.shape[1] + batch.tag[fits]
        self._add(where, batch.value[fits])

    def _begin(self, number: int) -> None:
        """Empties the place of a cell, unless it holds that cell already."""
        place = number % len(self._of)
        if self._of[place] != number:
            self._of[place] = number
            self._min[place], self._max[place] = np.inf, -np.inf
            self._sum[place], self._count[place] = 0.0, 0

    def _add(self, where: Times, value: Floats) -> None:
        np.minimum.at(self._min.ravel(), where, value)
        np.maximum.at(self._max.ravel(), where, value)
        np.add.at(self._count.ravel(), where, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            np.add.at(self._sum.ravel(), where, value)

    async def trend(self, bins: TrendBins) -> str:
        """Adds what is kept of these tags to the bins; says what is missing."""
        # Its middle may be yet to come.
        at = self._of * self.shortest
        for number in bins.tags:
            low, total, high = (each[:, number] for each in (self._min, self._sum, self._max))
            bins.add_cells(number, at, low, total, high, self._count[:, number])
        if bins.since >= self._since:
            return ""
        return (
            f"before {local_time(self._since)} nothing is known: without `history:` in the line "
            "file, the last hour is kept, in memory"
        )

    @property
    def _since(self) -> Nanos:
        """The time that it reaches back to."""
        return max(self._started, (int(self._of.max()) + 1 - len(self._of)) * self.shortest)
