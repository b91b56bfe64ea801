"""Event-time alignment: samples as they come, onto grids, into the detectors' windows. Pure.

Promises
- A window closes `lateness` after its end by the clock, so a silent source still closes windows.
- A detector sees windows from the first cell on; what was before is not observed.
- What comes later than that is counted, not used for closed cells; a sample from the future is
  counted and dropped. A clock that steps back or far ahead restarts the grid.
- What `memory` gave, `recall` puts back after a restart: it is as if nothing
  had come in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import Nanos, SampleBatch, Tag, Times, Window, WindowSpec
from gateway.core.grid import FUTURE_LIMIT, Grid, Rows, hold_limits, windows

CATCH_UP: int = 600
"""Closed cells that one step may bring; a longer gap is a clock step or a suspended machine."""

Memory = Mapping[str, NDArray[Any]]
_MEMORY = ("next_cell", "times", "values", "observed", "value", "good_at", "bad_at")


class _Stream:
    """One grid with the history that its detectors' windows need."""

    def __init__(self, period: Nanos, hold: Times, keep: int, now: Nanos) -> None:
        self.period, self.keep = period, keep
        self._hold, self._tags = hold, len(hold)
        self.late = 0
        self.start(now)

    def start(self, now: Nanos) -> None:
        self._start_at(now // self.period + 1)

    def _start_at(self, cell: int) -> None:
        self.grid = Grid(self._tags, self.period, self._hold, cell)
        # Rows before the start were not observed: a detector sees at once what there is.
        past = np.arange(cell - self.keep, cell, dtype=np.int64)
        shape = (self.keep, self._tags)
        self.history = Rows(past * self.period, np.full(shape, np.nan), np.zeros(shape, np.bool_))

    def memory(self) -> dict[str, NDArray[Any]]:
        """All that a restart must not forget, by name."""
        parts = (np.array(self.grid.next_cell), *self.history, *self.grid.carried())
        return dict(zip(_MEMORY, parts, strict=True))

    def recall(self, memory: Memory, now: Nanos) -> int:
        """Go on where an earlier run was, as if nothing had come since; the cells that passed."""
        next_cell, times, values, observed, *carried = (memory[name] for name in _MEMORY)
        passed = self.grid.next_cell - int(next_cell)
        if passed < 0:
            return 0
        self._start_at(int(next_cell))
        row = times // self.period - next_cell + self.keep
        kept = row >= 0
        self.history.values[row[kept]] = values[kept]
        self.history.observed[row[kept]] = observed[kept]
        self.grid.carry(*carried)
        self.advance(now)
        return passed

    def advance(self, due: Nanos) -> int:
        """Close the cells that end at or before `due`; how many rows are new."""
        cells = due // self.period - self.grid.next_cell + 1
        if cells > CATCH_UP or cells < -(FUTURE_LIMIT // self.period) - 1:
            self.late += self.grid.late
            self.start(due)
            return 0
        if cells <= 0:
            return 0
        rows = self.grid.close(cells)
        joined = (np.concatenate(pair) for pair in zip(self.history, rows, strict=True))
        self.history = Rows(*(part[-(self.keep + cells) :] for part in joined))
        return cells


class Aligner:
    """The windows of all detectors of a line, live.

    `specs` by detector name; `tags` in the line's order, which `SampleBatch.tag` indexes.
    """

    def __init__(
        self,
        specs: Mapping[str, WindowSpec],
        tags: Sequence[Tag],
        *,
        lateness: Nanos,
        hold_periods: float,
        now: Nanos,
    ) -> None:
        self.future = 0
        self._lateness = lateness
        self._now = now
        self._specs = dict(specs)
        index = {tag.name: number for number, tag in enumerate(tags)}
        self._columns = {
            name: np.array([index[tag] for tag in spec.tags]) for name, spec in specs.items()
        }
        longest: dict[Nanos, int] = {}
        for spec in specs.values():
            longest[spec.period] = max(longest.get(spec.period, 0), spec.length - 1)
        self._catch_up = CATCH_UP * min(longest, default=0)
        self._streams = {
            period: _Stream(period, hold_limits(tags, period, hold_periods), keep, now)
            for period, keep in longest.items()
        }

    @property
    def late(self) -> int:
        """Samples that came after their cell was closed."""
        return sum(stream.late + stream.grid.late for stream in self._streams.values())

    def push(self, batch: SampleBatch, now: Nanos | None = None) -> None:
        """Take samples in that arrived by `now`, or by the last tick; the line's tag indices."""
        # After a tick that came late the samples meanwhile are no future; after a step of the clock
        # the grid starts again, and must not grow until then.
        reach = self._now if now is None else min(now, self._now + self._catch_up)
        ahead = batch.at > reach + FUTURE_LIMIT
        columns = (batch.tag, batch.at, batch.value, batch.quality)
        if ahead.any():
            self.future += int(ahead.sum())
            columns = tuple(column[~ahead] for column in columns)  # type: ignore[assignment]
        for stream in self._streams.values():
            stream.grid.push(*columns)

    def advance(self, now: Nanos) -> dict[str, list[Window]]:
        """Close what is due at `now` and return the new windows by detector, oldest first."""
        self._now = now
        new = {period: s.advance(now - self._lateness) for period, s in self._streams.items()}
        due: dict[str, list[Window]] = {}
        for name, spec in self._specs.items():
            if new[spec.period]:
                cut = self._cut(spec, self._columns[name], new[spec.period])
                if cut:
                    due[name] = cut
        return due

    def _cut(self, spec: WindowSpec, columns: NDArray[np.int64], new: int) -> list[Window]:
        rows = self._streams[spec.period].history
        tail = slice(-(new + spec.length - 1) or None, None)
        times, values, observed = rows.times[tail], rows.values[tail], rows.observed[tail]
        return windows(
            times,
            values[:, columns],
            observed[:, columns],
            spec.length,
            spec.hop,
            since=max(0, len(times) - new),
            period=spec.period,
        )

    def memory(self) -> Memory:
        """The history of all detectors' windows, to be put back by `recall` after a restart."""
        return {
            f"{period}.{name}": array
            for period, stream in self._streams.items()
            for name, array in stream.memory().items()
        }

    def recall(self, memory: Memory) -> bool:
        """Go on where the run that gave `memory` ended: the same tags in the same order.

        Before the first `advance`. Windows of the time between were not seen by anyone, and are
        not cut. Whether there was such a time.
        """
        passed = 0
        for period, stream in self._streams.items():
            mine = {n.partition(".")[2]: a for n, a in memory.items() if n.startswith(f"{period}.")}
            if mine:
                passed = max(passed, stream.recall(mine, self._now))
        return passed > 0

    def next_close(self) -> Nanos | None:
        """When the next cell is due by the clock; None without detectors."""
        ends = [s.grid.next_cell * s.period for s in self._streams.values()]
        return min(ends) + self._lateness if ends else None
