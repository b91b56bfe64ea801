"""From a recording to windows, by the code that aligns live data.

Promises
- A window from a recording is the window that the running line would have cut from those samples.
- A long gap parts a recording into stretches, and no window reaches over it.
"""

from collections.abc import Mapping

import numpy as np

from detectors.training.data import Recording
from gateway import grid
from gateway.contracts import ConfigError
from gateway.model import Nanos, Quality, Times, Window

HOLD_PERIODS = 3.0
"""As a line does where its file says nothing else."""
LONG_GAP_ROWS = 1000
_MILLISECOND = 1_000_000


def typical_step(times: Times) -> Nanos:
    """The median distance of two rows, in whole milliseconds where it is that long."""
    steps = np.diff(np.unique(times))
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
    periods = [
        tag_periods.get(name) or _own_period(recording, column, period)
        for column, name in enumerate(recording.names)
    ]
    hold = np.array([max(round(own * HOLD_PERIODS), period) for own in periods], dtype=np.int64)
    gap = max(LONG_GAP_ROWS * period, int(hold.max()))
    breaks = np.flatnonzero(np.diff(recording.times) > gap) + 1
    return [
        window
        for rows in np.split(np.arange(len(recording.times)), breaks)
        for window in _stretch(recording, rows, period, length, hop, hold)
    ]


def _own_period(recording: Recording, column: int, least: Nanos) -> Nanos:
    times = recording.times[~np.isnan(recording.values[:, column])]
    return max(typical_step(times), least) if len(np.unique(times)) > 1 else least


def _stretch(
    recording: Recording, rows: Times, period: Nanos, length: int, hop: int, hold: Times
) -> list[Window]:
    values = recording.values[rows]
    count, tags = values.shape
    missing = np.isnan(values).ravel()
    # A cell that the recording leaves empty is no sample: another tag was sampled at that time.
    kept = ~missing
    times, cells, observed = grid.resample(
        np.tile(np.arange(tags, dtype=np.int32), count)[kept],
        np.repeat(recording.times[rows], tags)[kept],
        values.ravel()[kept],
        np.full(int(kept.sum()), Quality.GOOD, dtype=np.uint8),
        tags,
        period,
        hold,
    )
    return grid.windows(times, cells, observed, length, hop, period=period)
