"""Wall clocks that start again: times of day whose date, or whose half of the day, is not written.

Promises
- The rows after midnight are never read as those before the first, nor the afternoon as the night.
"""

import numpy as np

from gateway.api.model import SECOND, Indices, Nanos, Times
from gateway.history.reading import Notes, moment
from gateway.history.times.parse import DAY

_HOUR: Nanos = 3600 * SECOND
_STEPS = 60
"""Typical steps that may be missing where the clock starts again."""


def check_wraps(wall: Times, numbers: Indices, notes: Notes) -> None:
    """ConfigError if these times of a wall clock, in the order of the file, start again.

    `wall` are times without regard to their zone, in ns; `numbers` are those of the rows' lines.
    """
    steps = np.diff(wall)
    if (steps < 0).sum() * 2 > len(steps):
        wall, numbers = wall[::-1], numbers[::-1]
        steps = np.diff(wall)
    if not (steps < 0).any() or not (steps > 0).any():
        return
    most = min(_STEPS * int(np.median(steps[steps > 0])), _HOUR)
    of_day = wall % DAY
    before, after = of_day[:-1], of_day[1:]
    midnight = (before >= DAY - most) & (after <= most) & (wall[:-1] // DAY == wall[1:] // DAY)
    noon = (
        (before >= 13 * _HOUR - most) & (before < 13 * _HOUR)
        & (after >= _HOUR) & (after <= _HOUR + most) & (wall[:-1] // DAY == wall[1:] // DAY)
        & (of_day >= _HOUR).all() & (of_day < 13 * _HOUR).all()
    )  # fmt: skip
    for wraps, reason in (
        (midnight, "the date does not change at midnight: write the date of each row"),
        (noon, "the clock has twelve hours, without AM and PM: write times of 24 hours"),
    ):
        if wraps.any():
            at = int(np.flatnonzero(wraps)[0])
            raise notes.refuse(
                f"{notes.unit} {numbers[at + 1]}: the time goes back from "
                f"{_shown(wall[at])} to {_shown(wall[at + 1])}; {reason}"
            )


def _shown(at: np.int64) -> str:
    return moment(at).removesuffix("Z")
