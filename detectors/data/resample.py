"""Windows from a recording, cut by the code that aligns live data.

Promises
- A window from a recording is the window that the running line would have cut from those samples.
- A long gap splits a recording into segments; no window spans it.
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
from gateway.history.reading import current
from gateway.history.wide import samples_of

LONG_GAP_ROWS = 1000
"""Rows of the grid from which a gap splits a recording."""
CELLS = 1_000_000
"""Cells resampled at once, which bounds the memory."""
SPARSEST = 100
"""Most rows of the grid for one row of data; beyond that nearly all rows would be invented."""
_MILLISECOND = 1_000_000


def typical_step(times: Times) -> Nanos:
    """Median interval of ascending times, ns, rounded to milliseconds, at least one."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        raise ConfigError("the data has only one row; training needs at least a few hundred")
    step = round(float(np.median(steps)))
    return max(round(step / _MILLISECOND) * _MILLISECOND, _MILLISECOND)


def cut_windows(
    recording: Recording,
    period: Nanos,
    length: int,
    hop: int,
    tag_periods: Mapping[str, Nanos],
) -> list[Window]:
    """Cuts all windows of all segments, oldest first. `tag_periods`: ns, from a line file."""
    return windows_of(aligned(recording, period, tag_periods), period, length, hop)


def windows_of(segments: Sequence[Rows], period: Nanos, length: int, hop: int) -> list[Window]:
    """All windows of these segments, as views of their rows."""
    return [
        window for rows in segments for window in grid.windows(*rows, length, hop, period=period)
    ]


def aligned(recording: Recording, period: Nanos, tag_periods: Mapping[str, Nanos]) -> list[Rows]:
    """Resamples the segments between long gaps, oldest first.

    ConfigError if the data has far fewer rows than the grid.
    """
    _check_pace(recording.times, period)
    periods = [
        tag_periods.get(name) or _own_period(recording, column, period)
        for column, name in enumerate(recording.names)
    ]
    hold = np.array([max(round(own * HELD), period) for own in periods], dtype=np.int64)
    gap = max(LONG_GAP_ROWS * period, int(hold.max()))
    breaks = (np.flatnonzero(np.diff(recording.times) > gap) + 1).tolist()
    segments = list(pairwise((0, *breaks, len(recording.times))))
    _check_cells(recording, segments, period)
    return [
        grid.resample(_samples(recording, first, last), len(hold), period, hold)
        for first, last in segments
    ]


def _check_cells(recording: Recording, segments: Sequence[tuple[int, int]], period: Nanos) -> None:
    """ConfigError if the grid has more cells than may be read, as where hardly any is filled."""
    times, tags, most = recording.times, len(recording.names), current().most_values
    cells = sum((int(times[last - 1] - times[first]) // period + 1) * tags
                for first, last in segments)  # fmt: skip
    if cells > most:
        raise ConfigError(
            f"the data has {len(times):,} rows, and would have {cells // tags:,} for {tags} tags "
            f"with one every {format_duration(period)}, {cells:,} values, of which at most "
            f"{most:,} are used: choose a longer period, a shorter time, leave out tags that are "
            "hardly ever sampled, or raise the limit with --most-values"
        )


def _check_pace(times: Times, period: Nanos) -> None:
    step = typical_step(times) if times[0] < times[-1] else period
    if step > SPARSEST * period:
        raise ConfigError(
            f"the data has one row every {format_duration(step)}, too few for windows with one "
            f"every {format_duration(period)}: choose a longer period"
        )


def _own_period(recording: Recording, column: int, least: Nanos) -> Nanos:
    times = recording.times[~np.isnan(recording.values[:, column])]
    return max(typical_step(times), least) if len(times) and times[0] < times[-1] else least


def _samples(recording: Recording, first: int, last: int) -> Iterator[SampleBatch]:
    """Yields the samples of rows `first` to `last` in parts; an empty cell is not a sample.

    An empty cell does not mean that the tag was bad: another tag was sampled at that time. Only a
    value that is known to be bad is a bad sample, past which nothing is held.
    """
    number = {name: column for column, name in enumerate(recording.names)}
    step = max(1, CELLS // max(len(number), 1))
    for start in range(first, last, step):
        part = recording.rows(slice(start, min(start + step, last)))
        yield samples_of(part, number)
