"""Data age: each tag is fresh, late, stale, bad or never seen, whatever its connection says. Pure.

Promises
- Judged by the time of arrival against the tag's own expected period, so a connection that looks
  alive and is dead shows within a few periods; and by its samples' own times, so that samples which
  no window can use are not taken for fresh data.
- Each tag that is not fresh has a reason in words: the device's answer, or how long it is silent.
- Trouble with sensors never raises a process anomaly. It raises alarms of its own, which are those
  of `device_status`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gateway.api.durations import spell
from gateway.api.model import (
    SECOND,
    Bools,
    Floats,
    Nanos,
    Quality,
    SampleBatch,
    Score,
    Tag,
)
from gateway.core.device_status import DeviceStatus, alarms_of, classes_of, judged
from gateway.core.frozen import FrozenWatch
from gateway.core.grid import NEVER
from gateway.core.time_fit import Fit, TimeFit

DETECTOR = "data"
"""The name under which sensor alarms appear."""
START_UP = 10 * SECOND
"""A tag may take this long to deliver after the start, or its own period, before its silence is an
alarm; and as long after its source came back."""
LEAST_STALE = 2 * SECOND
"""A fast tag is not stale before this: schedulers and networks jitter."""
_UNNAMED = {Quality.UNCERTAIN: "its quality is uncertain", Quality.BAD: "its quality is bad"}
"""For samples whose connector gave no reason."""


class Freshness(IntEnum):
    """The state of a tag's data."""

    FRESH = 0
    LATE = 1
    STALE = 2
    BAD = 3
    NEVER_SEEN = 4


class FreshnessWatch:
    """The data age of all tags of a line."""

    def __init__(
        self,
        tags: Sequence[Tag],
        stale_periods: float,
        hold_periods: float,
        lateness: Nanos = SECOND // 2,
    ) -> None:
        self.tags = tuple(tags)
        period = np.array([tag.period for tag in tags], dtype=np.float64)
        self._stale = np.maximum(period * stale_periods, LEAST_STALE)
        self._late = np.minimum(np.maximum(period * hold_periods, SECOND), self._stale)
        self._patience = np.maximum(period, START_UP)
        hold = self._late.astype(np.int64)
        self.fit = TimeFit(period.astype(np.int64), hold, lateness)
        self._frozen = FrozenWatch(np.array([tag.frozen_after for tag in tags], dtype=np.int64))
        self._ticked: Nanos | None = None
        self._seen = np.full(len(tags), NEVER, dtype=np.int64)
        self._started: Nanos | None = None
        self._bad = np.zeros(len(tags), dtype=np.bool_)
        # Bad or uncertain, and yet a value: beyond the bounds, or doubted by the device.
        self._is_outside = np.zeros(len(tags), dtype=np.bool_)
        self._why: dict[int, str] = {}
        # Which bound a tag is beyond: its reason without the value, which changes all the time.
        self._outside: dict[int, str] = {}
        self._changes = 0
        self._told: tuple[tuple[Nanos, bool, int], Mapping[int, str]] = ((0, False, -1), {})
        self._away: Mapping[str, str] = {}
        self._members: dict[str, NDArray[np.int64]] = {
            source: np.array([n for n, tag in enumerate(tags) if tag.source == source])
            for source in dict.fromkeys(tag.source for tag in tags)
        }
        self._lost = dict.fromkeys(self._members, False)
        # When the tag's source was last found again, or the start.
        self._back = np.full(len(tags), NEVER, dtype=np.int64)
        own = {source: [tags[n] for n in members] for source, members in self._members.items()}
        self._classes = {source: classes_of(mine) for source, mine in own.items()}
        self.alarms = tuple(a for source, mine in own.items() for a in alarms_of(source, mine))
        self._by_class: dict[DeviceStatus, list[int]] = {}
        for number, alarm in enumerate(self.alarms):
            status = DeviceStatus[alarm.ne107.upper()]
            self._by_class.setdefault(status, []).append(number)

    def push(self, batch: SampleBatch, now: Nanos) -> None:
        """Note that these samples arrived at `now`."""
        self._changes += 1
        # Cells were closed in the last tick, at most a second ago.
        closed = now - SECOND if self._ticked is None else min(self._ticked, now)
        self.fit.push(batch, closed, now)
        self._frozen.push(batch, now - self._seen > self._stale, now)
        self._seen[batch.tag] = now
        self._bad[batch.tag] = batch.quality != Quality.GOOD
        self._is_outside[batch.tag] = batch.quality == Quality.UNCERTAIN
        if batch.outside:
            outside = list(batch.outside)
            self._is_outside[outside] = self._bad[outside]
            self._outside |= batch.outside
        if not (self._why or batch.quality.any()):
            return
        # The order is that of arrival, so the last sample of a tag decides.
        last = dict(zip(batch.tag.tolist(), batch.quality.tolist(), strict=True))
        for tag, quality in last.items():
            if quality == Quality.GOOD:
                self._why.pop(tag, None)
            else:
                self._why[tag] = batch.reasons.get(tag) or _UNNAMED[Quality(quality)]

    def note_away(self, sources: Mapping[str, str]) -> None:
        """Which sources cannot be reached just now, and why."""
        self._changes += sources != self._away
        self._away = sources

    def tags_away(self) -> Sequence[int]:
        """The tags of these sources, by their index."""
        return [int(n) for source in self._away for n in self._members.get(source, ())]

    def shift(self, step: Nanos) -> None:
        """The clock was stepped: the data is as old as before."""
        self._changes += 1
        for times in (self._seen, self._back):
            times[times != NEVER] += step
        if self._started is not None:
            self._started += step
        if self._ticked is not None:
            self._ticked += step
        self.fit.shift(step)
        self._frozen.shift(step)

    def states(self, now: Nanos) -> NDArray[np.int64]:
        """`Freshness` of each tag, int64[tag]."""
        age = now - self._seen
        state = np.where(age > self._late, Freshness.LATE, Freshness.FRESH).astype(np.int64)
        fit = self.fit.state
        state[fit == Fit.LATE] = Freshness.LATE
        state[fit == Fit.STALE] = Freshness.STALE
        # A bad value does not become merely late on its way to stale.
        state[self._bad | (fit == Fit.AHEAD)] = Freshness.BAD
        state[age > self._stale] = Freshness.STALE
        state[self._seen == NEVER] = Freshness.NEVER_SEEN
        return state

    def status(self, now: Nanos) -> NDArray[np.int64]:
        """`DeviceStatus` of each tag, int64[tag]."""
        states = self.states(now)
        status = np.zeros(len(states), dtype=np.int64)
        is_late = (states == Freshness.LATE) & (self.fit.state == Fit.LATE)
        status[is_late] = DeviceStatus.MAINTENANCE_REQUIRED
        if self._frozen.is_used:
            is_frozen = self._frozen.which(now) & (states == Freshness.FRESH)
            status[is_frozen] = DeviceStatus.CHECK_FUNCTION
        status[states >= Freshness.STALE] = DeviceStatus.FAILURE
        is_outside = (states == Freshness.BAD) & self._bad & self._is_outside
        status[is_outside] = DeviceStatus.OUT_OF_SPECIFICATION
        return status

    def suspicions(
        self, status: NDArray[np.int64], now: Nanos, *, exact: bool = False
    ) -> Mapping[int, str]:
        """Why tags whose data is fresh are yet not normal, by their index."""
        frozen = np.flatnonzero(status == DeviceStatus.CHECK_FUNCTION).tolist()
        return {number: self._frozen.reason(number, now, exact=exact) for number in frozen}

    def counts(self, now: Nanos) -> Mapping[str, int]:
        """How many tags are in each state, every state named."""
        counts = Counter(self.states(now).tolist())
        return {state.name.lower(): counts[state] for state in Freshness}

    def reasons(self, now: Nanos, *, exact: bool = False) -> Mapping[int, str]:
        """Why each tag that is not fresh is not, by its index.

        With `exact` how long a tag has been silent; else its limit, which does not change.
        """
        # A tick asks several times.
        key = (now, exact, self._changes)
        if self._told[0] != key:
            states = self.states(now).tolist()
            reasons = {
                number: self._reason(number, state, now, exact=exact)
                for number, state in enumerate(states)
                if state != Freshness.FRESH
            }
            self._told = key, reasons
        return self._told[1]

    def _reason(self, number: int, state: int, now: Nanos, *, exact: bool) -> str:
        away = self._away.get(self.tags[number].source)
        if away:
            return away
        if state == Freshness.NEVER_SEEN:
            return "no sample yet"
        if state == Freshness.BAD:
            if not self._bad[number]:
                return self.fit.reason(number)
            why, bound = self._why[number], self._outside.get(number, "")
            # An uncertain sample may follow one that was beyond a bound.
            is_steady = bool(bound) and not exact and why.endswith(bound)
            return bound if is_steady else why
        limit = round((self._late if state == Freshness.LATE else self._stale)[number])
        silence = now - int(self._seen[number])
        if silence <= limit:
            return self.fit.reason(number)
        return f"no sample for {spell(silence) if exact else f'more than {spell(limit)}'}"

    def awaited(self, now: Nanos) -> Bools:
        """Tags that had no time yet to deliver, since the start or since their source is back."""
        start = now if self._started is None else self._started
        is_new = (self._seen == NEVER) & (now - start < self._patience)
        is_back = (self._seen < self._back) & (now - self._back < self._patience)
        return np.asarray(is_new | is_back, dtype=np.bool_)

    def score(self, now: Nanos) -> Score:
        """How many tags of each source have failed, or are of another class of NE 107."""
        if self._started is None:
            self._started = now
        self._ticked = now
        if self.fit.tick(now):
            self._changes += 1
        status = self.status(now)
        failed = status == DeviceStatus.FAILURE
        self._note_return(failed, now)
        awaited = self.awaited(now)
        silent = failed & ~awaited
        unusable = silent | (status == DeviceStatus.OUT_OF_SPECIFICATION)
        return Score(
            at=now,
            values=self._values(status, awaited),
            coverage=1.0 - float(unusable.mean()) if unusable.size else 1.0,
            contribution=silent.astype(np.float64),
            contribution_of=self._contributions(status),
            reasons={**self.reasons(now), **self.suspicions(status, now)} if status.any() else {},
        )

    def _values(self, status: NDArray[np.int64], awaited: Bools) -> Floats:
        """The scores of all alarms."""
        if not status.any() and status.size:
            return np.zeros(len(self.alarms))
        values = [
            value
            for source, members in self._members.items()
            for value in judged(status[members], awaited[members], self._classes[source])
        ]
        return np.array(values)

    def _contributions(self, status: NDArray[np.int64]) -> Mapping[int, Floats]:
        """The tags of each class below failure, for the alarms of that class, by their number."""
        if not status.any():
            return {}
        found: dict[int, Floats] = {}
        for each, numbers in self._by_class.items():
            if each != DeviceStatus.FAILURE:
                found |= dict.fromkeys(numbers, (status == each).astype(np.float64))
        return found

    def wrong_times(self) -> Mapping[int, str]:
        """What is wrong with the times of tags whose samples do not fit, by their index."""
        return {n: self.fit.reason(n) for n in np.flatnonzero(self.fit.state).tolist()}

    def offsets(self) -> Mapping[str, tuple[float | None, int]]:
        """By source: the largest offset of its tags in s, and how many of them do not fit.

        An offset is the newest own time minus its arrival; None before the first sample.
        """
        return {source: self._offset(members) for source, members in self._members.items()}

    def _offset(self, members: NDArray[np.int64]) -> tuple[float | None, int]:
        known = self.fit.offset[members]
        known = known[known != NEVER]
        largest = float(known[np.abs(known).argmax()]) / SECOND if known.size else None
        return largest, int(np.count_nonzero(self.fit.state[members]))

    def _note_return(self, failed: Bools, now: Nanos) -> None:
        """Give the tags of a source that was lost, and is not any more, time to deliver."""
        for source, members in self._members.items():
            is_lost = bool(failed[members].all())
            if self._lost[source] and not is_lost:
                # Once a loss: a tag that stayed silent since the last one has had its time.
                heard = members[self._seen[members] >= self._back[members]]
                self._back[heard] = now
            self._lost[source] = is_lost
