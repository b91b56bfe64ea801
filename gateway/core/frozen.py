"""Frozen tags: a value that arrives again and again and does not change at all. Pure.

Promises
- Only tags that say how long is too long are judged: many a healthy tag does not move for days, as
  a counter or a set point.
- A gap or a bad sample starts the time over: the value may have changed in it.
"""

import numpy as np

from gateway.api.durations import spell, spell_roughly
from gateway.api.model import Bools, Nanos, Quality, SampleBatch, Times
from gateway.core.grid import NEVER


class FrozenWatch:
    """Since when each tag has had its value. `after` int64[tag] ns; 0 for a tag that may freeze."""

    def __init__(self, after: Times) -> None:
        self._after = after
        self._is_watched = after > 0
        self.is_used = bool(self._is_watched.any())
        self._value = np.full(len(after), np.nan)
        self._since = np.full(len(after), NEVER, dtype=np.int64)

    def push(self, batch: SampleBatch, was_silent: Bools, now: Nanos) -> None:
        """Samples that arrived at `now`; `was_silent` are tags that were stale before."""
        if not self.is_used:
            return
        rows = np.flatnonzero(self._is_watched[batch.tag])
        tags, good = batch.tag[rows], batch.quality[rows] == Quality.GOOD
        # NaN equals nothing, so what follows a bad sample is a change.
        value = np.where(good, batch.value[rows], np.nan)
        self._value[was_silent] = np.nan
        self._since[tags[self._value[tags] != value]] = now
        self._value[tags] = value

    def which(self, now: Nanos) -> Bools:
        """The tags that are frozen."""
        frozen = self._is_watched & np.isfinite(self._value) & (now - self._since > self._after)
        return np.asarray(frozen, dtype=np.bool_)

    def reason(self, tag: int, now: Nanos, *, exact: bool) -> str:
        """For how long; without `exact` the limit, which does not change."""
        if exact:
            return f"the same value for {spell_roughly(now - int(self._since[tag]))}"
        return f"the same value for more than {spell(int(self._after[tag]))}"

    def shift(self, step: Nanos) -> None:
        """The clock was stepped."""
        self._since[self._since != NEVER] += step
