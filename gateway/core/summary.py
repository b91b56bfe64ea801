"""Per tag and interval: count, bad, mean, spread and extremes of the raw samples. Pure.

Promises
- Intervals are multiples of `every` since 1970; an interval is closed `lateness` after its end.
- Silence is a summary with coverage 0 and no values, never an old value.
- Sums are kept relative to the interval's first value of the tag, so that a level of 1e6 with a
  spread of 1e-3 keeps its standard deviation.
"""

from collections.abc import Sequence

import numpy as np

from gateway.api.model import Nanos, Quality, SampleBatch, Summary, Tag
from gateway.core.align import CATCH_UP
from gateway.core.grid import FUTURE_LIMIT, NEVER


class _Interval:
    """The running sums of one interval, one column a tag."""

    def __init__(self, tags: int) -> None:
        self.count = np.zeros(tags, dtype=np.int64)
        self.bad = np.zeros(tags, dtype=np.int64)
        self.shift = np.zeros(tags)
        self.sum = np.zeros(tags)
        self.squares = np.zeros(tags)
        self.min = np.full(tags, np.inf)
        self.max = np.full(tags, -np.inf)
        self.last = np.zeros(tags)
        self.last_at = np.full(tags, NEVER, dtype=np.int64)

    def add(self, batch: SampleBatch) -> None:
        good = batch.quality == Quality.GOOD
        np.add.at(self.bad, batch.tag[~good], 1)
        tag, at, value = batch.tag[good], batch.at[good], batch.value[good]
        fresh = self.count[tag] == 0
        self.shift[tag[fresh]] = value[fresh]
        offset = value - self.shift[tag]
        np.add.at(self.count, tag, 1)
        np.add.at(self.sum, tag, offset)
        np.add.at(self.squares, tag, offset * offset)
        np.minimum.at(self.min, tag, value)
        np.maximum.at(self.max, tag, value)
        order = np.argsort(at, kind="stable")
        tag, at, value = tag[order], at[order], value[order]
        newer = at >= self.last_at[tag]
        self.last[tag[newer]], self.last_at[tag[newer]] = value[newer], at[newer]


class Summariser:
    """The open intervals of all tags of a line."""

    def __init__(self, tags: Sequence[Tag], every: Nanos, lateness: Nanos, now: Nanos) -> None:
        self.late = 0
        self._tags, self._every, self._lateness = tags, every, lateness
        self._start(now)

    def _start(self, now: Nanos) -> None:
        self._next = now // self._every
        self._open: dict[int, _Interval] = {}

    def push(self, batch: SampleBatch) -> None:
        """Take samples in; the line's tag indices."""
        number = batch.at // self._every
        # Far ahead is a clock that is wrong, and the aligner counts it.
        for interval in np.unique(number[number <= self._next + 1]):
            mine = number == interval
            if interval < self._next:
                self.late += int(mine.sum())
                continue
            part = SampleBatch(
                batch.tag[mine], batch.at[mine], batch.value[mine], batch.quality[mine]
            )
            self._open.setdefault(int(interval), _Interval(len(self._tags))).add(part)

    def advance(self, now: Nanos) -> list[Summary]:
        """The summaries of the intervals that are over at `now`, oldest first."""
        due = (now - self._lateness) // self._every
        if due - self._next > CATCH_UP or now < self._next * self._every - FUTURE_LIMIT:
            self._start(now)
            return []
        done: list[Summary] = []
        while self._next < due:
            interval = self._open.pop(self._next, None) or _Interval(len(self._tags))
            done += self._close(interval, self._next * self._every)
            self._next += 1
        return done

    def _close(self, sums: _Interval, start: Nanos) -> list[Summary]:
        count = np.maximum(sums.count, 1)
        offset = sums.sum / count
        mean = sums.shift + offset
        std = np.sqrt(np.maximum(sums.squares / count - offset * offset, 0.0))
        return [
            self._summary(tag, start, sums, number, float(mean[number]), float(std[number]))
            for number, tag in enumerate(self._tags)
        ]

    def _summary(
        self, tag: Tag, start: Nanos, sums: _Interval, number: int, mean: float, std: float
    ) -> Summary:
        count, bad, end = int(sums.count[number]), int(sums.bad[number]), start + self._every
        if not count:
            return Summary(tag.name, start, end, 0, bad, 0.0)
        expected = max(self._every / tag.period, 1.0)
        return Summary(
            tag.name,
            start,
            end,
            count,
            bad,
            coverage=min(count / expected, 1.0),
            mean=mean,
            std=std,
            min=float(sums.min[number]),
            max=float(sums.max[number]),
            last=float(sums.last[number]),
            last_name=tag.name_of(float(sums.last[number])),
        )
