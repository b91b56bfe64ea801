"""From a recording to windows, by the code that aligns live data.

Promises
- A window from a recording is the window that the running line would have cut from those samples.
- A long gap parts a recording into stretches, and no window reaches over it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from detectors.data.recordings import Recording
from detectors.runtime.gaps import HELD
from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos, SampleBatch, Times, Window
from gateway.api.options import format_duration
from gateway.core import grid
from gateway.core.grid import Rows
from gateway.history.wide import samples_of

LONG_GAP_ROWS = 1000
CELLS = 1_000_000
"""That are put on the grid at once, which bounds the memory."""
SPARSEST = 100
"""Rows of a window for one of the data at the most: all of them would be made up, and too many."""
_MILLISECOND = 1_000_000


def typical_step(times: Times) -> Nanos:
    """The median distance of two rows, in whole milliseconds where it is that long; ascending."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        raise ConfigError("the data has only one row; a model needs at least a few hundred")
    step = round(float(np.median(steps)))
    return max(round(step / _MILLISECOND) * _MILLISECOND, _MILLISECOND)


def cut_windows(
    recording: Recording,
    period: Nanos,
    length: int,
    hop: int,
    tag_periods: Mapping[str, Nanos],
) -> list[Window]:
    """All windows of all stretches, oldest first. `tag_periods` where a line file gives them."""
    return windows_of(aligned(recording, period, tag_periods), period, length, hop)


def windows_of(stretches: Sequence[Rows], period: Nanos, length: int, hop: int) -> list[Window]:
    """All windows of these stretches, as views of their rows."""
    return [
        window for rows in stretches for window in grid.windows(*rows, length, hop, period=period)
    ]


def aligned(recording: Recording, period: Nanos, tag_periods: Mapping[str, Nanos]) -> list[Rows]:
    """The rows of each stretch that no long gap parts, oldest first.

    ConfigError if the data has far fewer rows than that would be.
    """
    _check_pace(recording.times, period)
    periods = [
        tag_periods.get(name) or _own_period(recording, column, period)
        for column, name in enumerate(recording.names)
    ]
    hold = np.array([max(round(own * HELD), period) for own in periods], dtype=np.int64)
    gap = max(LONG_GAP_ROWS * period, int(hold.max()))
    breaks = (np.flatnonzero(np.diff(recording.times) > gap) + 1).tolist()
    return [
        grid.resample(_samples(recording, first, last), len(hold), period, hold)
        for first, last in pairwise((0, *breaks, len(recording.times)))
    ]


def _check_pace(times: Times, period: Nanos) -> None:
    step = typical_step(times) if times[0] < times[-1] else period
    if step > SPARSEST * period:
        raise ConfigError(
            f"the data has a row every {format_duration(step)}, which is too rarely for windows "
            f"with one every {format_duration(period)}"
        )


def _own_period(recording: Recording, column: int, least: Nanos) -> Nanos:
    times = recording.times[~np.isnan(recording.values[:, column])]
    return max(typical_step(times), least) if len(times) and times[0] < times[-1] else least


def _samples(recording: Recording, first: int, last: int) -> Iterator[SampleBatch]:
    """Those of some rows, a part at a time; where there is no value there is no sample.

    A cell that a recording leaves empty does not say that a tag was bad: another was sampled then.
    """
    number = {name: column for column, name in enumerate(recording.names)}
    step = max(1, CELLS // max(len(number), 1))
    for start in range(first, last, step):
        rows = slice(start, min(start + step, last))
        part = recording._replace(times=recording.times[rows], values=recording.values[rows])
        yield samples_of(part, number)
