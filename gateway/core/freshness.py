"""Data age: each tag is fresh, late, stale, bad or never seen, whatever its connection says. Pure.

Promises
- Judged by the time of arrival against the tag's own expected period, so a connection that looks
  alive and is dead shows within a few periods.
- Trouble with sensors raises one alarm per source, never a process anomaly (NAMUR NE 107,
  failure signal), and names the tags that are silent.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import SECOND, Alarm, Nanos, Quality, SampleBatch, Score, Severity, Tag
from gateway.core.grid import NEVER

DETECTOR = "data"
"""The name under which sensor alarms appear."""
ON_DELAY = 2 * SECOND
OFF_DELAY = 2 * SECOND
START_UP = 10 * SECOND
"""A source may take this long to deliver after the start before its silence is an alarm."""
LEAST_STALE = 2 * SECOND
"""A fast tag is not stale before this: schedulers and networks jitter."""


class Freshness(IntEnum):
    """The state of a tag's data."""

    FRESH = 0
    LATE = 1
    STALE = 2
    BAD = 3
    NEVER_SEEN = 4


class FreshnessWatch:
    """The data age of all tags of a line."""

    def __init__(self, tags: Sequence[Tag], stale_periods: float, hold_periods: float) -> None:
        self.tags = tuple(tags)
        period = np.array([tag.period for tag in tags], dtype=np.float64)
        self._stale = np.maximum(period * stale_periods, LEAST_STALE)
        self._late = np.minimum(np.maximum(period * hold_periods, SECOND), self._stale)
        self._seen = np.full(len(tags), NEVER, dtype=np.int64)
        self._started: Nanos | None = None
        self._bad = np.zeros(len(tags), dtype=np.bool_)
        self._sources: dict[str, NDArray[np.int64]] = {
            source: np.array([n for n, tag in enumerate(tags) if tag.source == source])
            for source in dict.fromkeys(tag.source for tag in tags)
        }
        self.alarms = tuple(
            Alarm(
                f"{source}.no_data",
                threshold=0.5,
                severity=Severity.HIGH,
                on_delay=ON_DELAY,
                off_delay=OFF_DELAY,
                scope=tuple(tags[n].name for n in members),
                phrase=f"No data from {source}: {{value}} of {len(members)} tags ({{tags}})",
            )
            for source, members in self._sources.items()
        )

    def push(self, batch: SampleBatch, now: Nanos) -> None:
        """Note that these samples arrived at `now`."""
        self._seen[batch.tag] = now
        self._bad[batch.tag] = batch.quality != Quality.GOOD

    def shift(self, step: Nanos) -> None:
        """The clock was stepped: the data is as old as before."""
        self._seen[self._seen != NEVER] += step
        if self._started is not None:
            self._started += step

    def states(self, now: Nanos) -> NDArray[np.int64]:
        """`Freshness` of each tag, int64[tag]."""
        age = now - self._seen
        state = np.where(age > self._late, Freshness.LATE, Freshness.FRESH).astype(np.int64)
        # A bad value does not become merely late on its way to stale.
        state[self._bad] = Freshness.BAD
        state[age > self._stale] = Freshness.STALE
        state[self._seen == NEVER] = Freshness.NEVER_SEEN
        return state

    def counts(self, now: Nanos) -> Mapping[str, int]:
        """How many tags are in each state, every state named."""
        counts = Counter(self.states(now).tolist())
        return {state.name.lower(): counts[state] for state in Freshness}

    def score(self, now: Nanos) -> Score:
        """How many tags of each source deliver nothing usable; an alarm a source."""
        if self._started is None:
            self._started = now
        state = self.states(now)
        silent = state >= Freshness.STALE
        if now - self._started < START_UP:
            silent &= state != Freshness.NEVER_SEEN
        values = [float(silent[members].sum()) for members in self._sources.values()]
        return Score(
            at=now,
            values=np.array(values),
            coverage=1.0 - float(silent.mean()) if silent.size else 1.0,
            contribution=silent.astype(np.float64),
        )
