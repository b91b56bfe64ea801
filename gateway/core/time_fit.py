"""Whether the own times of a tag's samples fit this machine's clock. Pure.

Promises
- A tag whose samples cannot be used for their time says so: all of the last ones come after their
  cells are closed, or are from the future. Until one of them fits again it is late, stale or ahead.
- One sample in time is enough to fit: old samples that come with current ones, after an outage or
  as the first value of a subscription, are no fault of the clock.
- A tag at the limit does not flap, and its offset is reported again only when it
  has settled at another value, or doubled.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.api.durations import spell_roughly
from gateway.api.model import SECOND, Bools, Indices, Nanos, Quality, SampleBatch, Times
from gateway.core.grid import FUTURE_LIMIT, NEVER

LEAST = 5
"""Looks in a row, without any sample that fits, before a tag is judged."""
WAIT = 30 * SECOND
"""How long a tag with few samples is not judged."""
ENOUGH = 2 * LEAST
"""Looks in a row with samples that fit, but only just, to end that."""
LEAST_TIME = 2 * SECOND
"""As long, or two periods of the tag, these looks must span."""
SETTLED = 3 * SECOND
"""Over how long an offset is compared to see whether it changes steadily."""

Which = NDArray[np.integer[Any]]
"""Indices of some tags."""


class Fit(IntEnum):
    """How the times of a tag's samples fit."""

    IN_TIME = 0
    LATE = 1
    STALE = 2
    AHEAD = 3


class TimeFit:
    """The fit of all tags of a line. `period` and `hold` int64[tag] in ns.

    A value is held for `hold`; a sample may be as old as its tag's period when it comes, since it
    may have been taken that long ago.
    """

    def __init__(self, period: Times, hold: Times, lateness: Nanos) -> None:
        count = len(period)
        self.state = np.zeros(count, dtype=np.int64)
        """`Fit` of each tag, int64[tag]."""
        self.offset = np.full(count, NEVER, dtype=np.int64)
        """The newest own time minus its arrival, int64[tag] ns; NEVER before the first."""
        self._patience = np.maximum(2 * period, LEAST_TIME)
        self._late = lateness + np.minimum(period, hold)
        self._stale = lateness + hold
        self._misfits = np.zeros(count, dtype=np.int64)
        self._fits = np.zeros(count, dtype=np.int64)
        self._behind = np.zeros(count, dtype=np.int64)
        self._since = np.full(count, NEVER, dtype=np.int64)
        self._told = np.zeros(count, dtype=np.int64)
        self._anchor = np.zeros(count, dtype=np.int64)
        self._anchored_at = np.full(count, NEVER, dtype=np.int64)

    def push(self, batch: SampleBatch, closed: Nanos, now: Nanos) -> None:
        """Samples that arrived by `now`; cells were closed when the clock was at `closed`."""
        good = batch.quality == Quality.GOOD
        if not good.any():
            return
        tags, best = _best(batch.tag[good], batch.at[good], now)
        behind = closed - best
        self.offset[tags] = best - now
        late = self._late[tags]
        limit = now + FUTURE_LIMIT
        fits = (best <= limit) & (behind <= late)
        self._misfits[tags[fits]] = 0
        self._fits[tags] = np.where(fits, self._fits[tags] + 1, 0)
        # A time in the middle of the limits is right; one at their edge must come again and again.
        is_right = (best <= limit - FUTURE_LIMIT // 2) & (behind <= late // 2)
        is_over = fits & (is_right | (self._fits[tags] >= ENOUGH))
        self.state[tags[is_over]] = Fit.IN_TIME
        if not fits.all():
            self._note_misfits(tags[~fits], behind[~fits], now)

    def _note_misfits(self, tags: Which, behind: Times, now: Nanos) -> None:
        is_first = self._misfits[tags] == 0
        self._since[tags[is_first]] = now
        self._misfits[tags] += 1
        self._behind[tags] = behind
        waited = now - self._since[tags] >= self._patience[tags]
        is_due = (self.state[tags] != Fit.IN_TIME) | (waited & (self._misfits[tags] >= LEAST))
        self._judge(tags[is_due], now)

    def tick(self, now: Nanos) -> bool:
        """Judge tags with few samples, none of which fits, after a while; True if one is judged."""
        doubtful = np.flatnonzero((self._misfits > 0) & (self.state == Fit.IN_TIME))
        if doubtful.size:
            is_ahead = self.offset[doubtful] > FUTURE_LIMIT
            # An old value may be confirmed after a period or two; a future one cannot.
            wait = np.where(is_ahead, WAIT, np.maximum(self._patience[doubtful], WAIT))
            doubtful = doubtful[now - self._since[doubtful] >= wait]
            self._judge(doubtful, now)
        return bool(doubtful.size)

    def _judge(self, tags: Which, now: Nanos) -> None:
        if not tags.size:
            return
        before = self.state[tags]
        stale = np.where(before == Fit.STALE, self._stale[tags] * 9 // 10, self._stale[tags])
        state = np.where(self._behind[tags] > stale, Fit.STALE, Fit.LATE)
        self.state[tags] = np.where(self.offset[tags] > FUTURE_LIMIT, Fit.AHEAD, state)
        self._tell(tags, before == Fit.IN_TIME, now)

    def _tell(self, tags: Which, is_new: Bools, now: Nanos) -> None:
        """Choose the offset to be told: not every change of it is news."""
        offset, told = self.offset[tags], self._told[tags]
        doubled = (np.abs(offset) > 2 * np.abs(told)) | (2 * np.abs(offset) < np.abs(told))
        elapsed = now - self._anchored_at[tags]
        is_over = elapsed >= SETTLED
        is_steady = np.abs(offset - self._anchor[tags]) <= elapsed // 4
        moved = np.abs(offset - told) > 2 * SECOND + np.abs(told) // 100
        news = is_new | doubled | (np.sign(offset) != np.sign(told)) | (is_over & is_steady & moved)
        self._told[tags[news]] = offset[news]
        anchored = tags[is_new | is_over | (elapsed < 0)]
        self._anchor[anchored] = self.offset[anchored]
        self._anchored_at[anchored] = now

    def shift(self, step: Nanos) -> None:
        """This machine's clock was stepped."""
        for times in (self._since, self._anchored_at):
            times[times != NEVER] += step
        self.offset[self.offset != NEVER] -= step

    def doubts(self) -> Mapping[int, str]:
        """What is wrong with the newest times of tags that are not judged yet, by their index."""
        unusable = (self.offset > FUTURE_LIMIT) | (self._behind > self._stale)
        is_doubtful = (self._misfits > 0) & (self.state == Fit.IN_TIME) & unusable
        return {n: _words(int(self.offset[n])) for n in np.flatnonzero(is_doubtful).tolist()}

    def reason(self, tag: int) -> str:
        """What is wrong with the times of a tag that does not fit."""
        words = _words(int(self._told[tag]))
        if self.state[tag] == Fit.LATE:
            return f"{words}, so its samples come after their cells are closed"
        return words


def _words(offset: Nanos) -> str:
    side = "ahead of" if offset > 0 else "behind"
    return f"its time is {spell_roughly(offset)} {side} this machine's clock"


def _best(tag: Indices, at: Times, now: Nanos) -> tuple[Indices, Times]:
    """The tags, each once, with the newest time that is not ahead, else the nearest one ahead."""
    ahead = at > now + FUTURE_LIMIT
    tags, inverse = np.unique(tag, return_inverse=True)
    best = np.full(len(tags), NEVER, dtype=np.int64)
    np.maximum.at(best, inverse[~ahead], at[~ahead])
    if ahead.any():
        nearest = np.full(len(tags), np.iinfo(np.int64).max)
        np.minimum.at(nearest, inverse[ahead], at[ahead])
        best = np.where(best == NEVER, nearest, best)
    return tags, best
