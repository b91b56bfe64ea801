"""The grid: tags of different rates in cells of one period, and windows cut from it. Pure.

Promises
- Cell k of a grid covers ((k-1) * period, k * period] since 1970, so a restart or a replay cuts
  the same cells. A cell holds the mean of its good samples.
- Without a good sample the last cell's value is held while the last good sample is younger than
  the tag's hold limit, and never past a bad one. After that the cell is NaN and not observed.
- Live alignment and `resample` of a recording are the same code.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.api.model import (
    SECOND,
    Bools,
    Floats,
    Indices,
    Nanos,
    Qualities,
    Quality,
    SampleBatch,
    Tag,
    Times,
    Window,
)

NEVER: Nanos = -(2**62)
FUTURE_LIMIT: Nanos = 5 * SECOND
"""A sample that claims to be from further ahead is not believed."""


class Rows(NamedTuple):
    """Closed cells: times int64[row] (cell ends), values float64[row, tag], observed bool."""

    times: Times
    values: Floats
    observed: Bools


def cell_of(at: Times, period: Nanos) -> Times:
    """The index of the cell that each time falls into."""
    return -(-at // period)


class Grid:
    """The open cells of one period over all tags, and what each tag last was."""

    def __init__(self, tag_count: int, period: Nanos, hold: Times, first_cell: int) -> None:
        self.period = period
        self.next_cell = first_cell
        self.late = 0
        self._hold = hold
        self._tags = tag_count
        self._value = np.full(tag_count, np.nan)
        self._good_at = np.full(tag_count, NEVER, dtype=np.int64)
        self._bad_at = np.full(tag_count, NEVER, dtype=np.int64)
        self._open(0)

    def _open(self, cells: int) -> None:
        shape = (cells, self._tags)
        self._sum = np.zeros(shape)
        self._count = np.zeros(shape, dtype=np.int64)
        self._last_good = np.full(shape, NEVER, dtype=np.int64)
        self._last_bad = np.full(shape, NEVER, dtype=np.int64)

    def push(self, tag: Indices, at: Times, value: Floats, quality: Qualities) -> None:
        """Put samples into their cells; those of closed cells only refresh what is held."""
        row = cell_of(at, self.period) - self.next_cell
        good = quality == Quality.GOOD
        if row.size and row.min() < 0:
            late = row < 0
            self.late += int(late.sum())
            self._refresh(tag[late & good], at[late & good], value[late & good])
            np.maximum.at(self._bad_at, tag[late & ~good], at[late & ~good])
            due = ~late
            tag, at, value, row, good = tag[due], at[due], value[due], row[due], good[due]
        if not row.size:
            return
        self._grow(int(row.max()) + 1)
        bad = ~good
        cell = row * self._tags + tag  # One index is several times as fast as two.
        if bad.any():
            np.maximum.at(self._last_bad.reshape(-1), cell[bad], at[bad])
            at, value, cell = at[good], value[good], cell[good]
        np.add.at(self._sum.reshape(-1), cell, value)
        np.add.at(self._count.reshape(-1), cell, 1)
        np.maximum.at(self._last_good.reshape(-1), cell, at)

    def _refresh(self, tag: Indices, at: Times, value: Floats) -> None:
        order = np.argsort(at, kind="stable")
        tag, at, value = tag[order], at[order], value[order]
        newer = at > self._good_at[tag]
        self._value[tag[newer]] = value[newer]
        self._good_at[tag[newer]] = at[newer]

    def _grow(self, cells: int) -> None:
        missing = cells - len(self._sum)
        if missing <= 0:
            return
        pad = ((0, missing), (0, 0))
        self._sum = np.pad(self._sum, pad)
        self._count = np.pad(self._count, pad)
        self._last_good = np.pad(self._last_good, pad, constant_values=NEVER)
        self._last_bad = np.pad(self._last_bad, pad, constant_values=NEVER)

    def carried(self) -> tuple[Floats, Times, Times]:
        """What each tag last was: value, when it was last good, when it was last bad."""
        return self._value, self._good_at, self._bad_at

    def carry(self, value: Floats, good_at: Times, bad_at: Times) -> None:
        """Go on from what `carried` gave."""
        self._value, self._good_at, self._bad_at = value, good_at, bad_at

    def close(self, cells: int) -> Rows:
        """Close the next `cells` cells and return them."""
        self._grow(cells)
        times = (self.next_cell + np.arange(cells, dtype=np.int64)) * self.period
        count = self._count[:cells]
        filled = count > 0
        mean = self._sum[:cells] / np.maximum(count, 1)
        # For every cell the row of the last filled one at or before it; -1 is the carried state.
        last = np.where(filled, np.arange(cells)[:, None], -1)
        np.maximum.accumulate(last, axis=0, out=last)
        carried, column = last < 0, np.arange(self._tags)[None, :]
        value = np.where(carried, self._value, mean[last, column])
        good_at = np.where(carried, self._good_at, self._last_good[:cells][last, column])
        bad_at = np.maximum(np.maximum.accumulate(self._last_bad[:cells], axis=0), self._bad_at)
        held = (good_at > bad_at) & (times[:, None] - good_at <= self._hold)
        observed = filled | held
        rows = Rows(times, np.where(observed, value, np.nan), observed)
        if cells:
            self._value, self._good_at, self._bad_at = value[-1], good_at[-1], bad_at[-1]
        self._drop(cells)
        return rows

    def _drop(self, cells: int) -> None:
        self.next_cell += cells
        self._sum, self._count = self._sum[cells:], self._count[cells:]
        self._last_good, self._last_bad = self._last_good[cells:], self._last_bad[cells:]


def windows(
    times: Times,
    values: Floats,
    observed: Bools,
    length: int,
    hop: int,
    *,
    since: int = 0,
    period: Nanos = 0,
) -> list[Window]:
    """Windows over contiguous rows, ending on multiples of hop * period; only full ones.

    `since` is the first row that may end a window; the rows before it are history. `period` is
    the rows' spacing where it is not given.
    """
    if len(times) < max(length, since + 1):
        return []
    period = period or int(times[1] - times[0])
    ends = np.arange(max(since, length - 1), len(times))
    ends = ends[(times[ends] // period) % hop == 0]
    return [
        Window(
            int(times[end - length + 1]),
            period,
            values[end - length + 1 : end + 1],
            observed[end - length + 1 : end + 1],
        )
        for end in ends
    ]


def resample(batches: Iterable[SampleBatch], tag_count: int, period: Nanos, hold: Times) -> Rows:
    """A whole recording onto the grid, from its first sample's cell to its last one's.

    The samples of a batch may come in any order; a batch begins no earlier than in the last cell of
    the one before it. Batches bound the memory: what is worked on at once is one of them.
    """
    grid = Grid(tag_count, period, hold, 0)
    parts: list[Rows] = []
    for batch in filter(len, batches):
        cells = cell_of(batch.at, period)
        if not parts:
            grid.next_cell = int(cells.min())
        grid.push(batch.tag, batch.at, batch.value, batch.quality)
        # The last cell stays open: it may go on in the next batch.
        parts.append(grid.close(int(cells.max()) - grid.next_cell))
    parts.append(grid.close(1 if parts else 0))
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def hold_limits(tags: Sequence[Tag], period: Nanos, hold_periods: float) -> Times:
    """How long each tag's last value may stand in, ns: its own periods, at least one cell."""
    limits = [max(round(tag.period * hold_periods), period) for tag in tags]
    return np.array(limits, dtype=np.int64)
