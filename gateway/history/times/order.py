"""The order of a recording's rows: times that repeat, go back or lie far off.

Promises
- Two stretches that claim the same time are never mixed: where the clock was set back, the rows
  up to the time it had reached are left out, counted and named; many such rows are refused.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import SECOND, Bools, Floats, Nanos, Times
from gateway.history.reading import Notes, count_of, moment
from gateway.history.times.parse import DAY

_YEAR_2000: Nanos = 946_684_800 * SECOND
_FAR: Nanos = 366 * DAY
_JITTER = 60
"""Typical steps that a row may be out of order, as where several threads log."""
_MOST_LEFT_OUT = 0.1
_SHUFFLED = 0.05
"""Share of rows that go back, from which the file is taken for unsorted."""
_HOUR: Nanos = 3600 * SECOND


class Ordered(NamedTuple):
    """Times int64[row] ns, ascending; values float64[row, tag]; numbers of the rows' lines."""

    times: Times
    values: Floats
    numbers: Any

    def only(self, rows: Any) -> "Ordered":
        """These rows."""
        return Ordered(self.times[rows], self.values[rows], self.numbers[rows])


def in_order(rows: Ordered, present: Nanos, notes: Notes, *, is_local: bool = False) -> Ordered:
    """The rows in the order of time; ConfigError if their times contradict each other.

    `is_local`: the times have no zone, so that an hour may come twice.
    """
    rows = _plausible(rows, present, notes)
    if len(rows.times) > 1 and (rows.times == rows.times[0]).all():
        raise notes.refuse(
            f"all {len(rows.times):,} rows have the same time, {moment(rows.times[0])}: it is not "
            "the time of the samples (--time-column names another column)"
        )
    rows = _forward(rows, notes)
    rows = _without_set_back(rows, notes, is_local=is_local)
    if (np.diff(rows.times) < 0).any():
        rows = rows.only(np.argsort(rows.times, kind="stable"))
    return _without_repeats(rows, notes)


def _plausible(rows: Ordered, present: Nanos, notes: Notes) -> Ordered:
    """Without rows whose time is far from the others, and before 2000 or in the future."""
    early, late = rows.times < _YEAR_2000, rows.times > present + DAY
    for odd, what in ((early, "before the year 2000"), (late, "in the future")):
        if odd.all():
            notes.say(
                f"all times are {what}, from {moment(rows.times.min())} to "
                f"{moment(rows.times.max())}"
            )
        elif odd.any():
            far = odd & _is_far(rows.times, odd)
            where = notes.rows(rows.numbers[far if far.any() else odd])
            example = moment(rows.times[far if far.any() else odd][0])
            if far.mean() > 0.5:
                raise notes.refuse(
                    f"{where} have a time {what}, such as {example}, and the others do not: "
                    "the clock was wrong in one of both parts; keep only one"
                )
            if far.any():
                notes.say(f"{where} skipped, with a time {what}: {example}")
                return _plausible(rows.only(~far), present, notes)
            notes.say(f"{where} with a time {what}, such as {example}")
    return rows


def _is_far(times: Times, odd: Bools) -> Bools:
    others = times[~odd]
    return np.asarray((times < others.min() - _FAR) | (times > others.max() + _FAR))


def _forward(rows: Ordered, notes: Notes) -> Ordered:
    steps = np.diff(rows.times)
    if (steps < 0).sum() * 2 <= len(steps) or (steps > 0).sum() > 0.05 * len(steps):
        return rows
    notes.say("the newest row comes first; read from the end")
    return rows.only(np.arange(len(rows.times))[::-1])


def _without_set_back(rows: Ordered, notes: Notes, *, is_local: bool) -> Ordered:
    """Without the rows whose time was used before, as a clock that is set back repeats it."""
    rows = _without_spikes(rows, notes)
    times = rows.times
    steps = np.diff(times)
    if not (steps < 0).any():
        return rows
    typical = int(np.median(steps[steps > 0])) if (steps > 0).any() else SECOND
    # An hour that comes twice is few steps of a slow recording, but no jitter.
    is_hour = np.abs(steps - typical + _HOUR) <= typical // 2
    jumps = np.flatnonzero((steps < -_JITTER * typical) | (is_hour & (typical < _HOUR // 2))) + 1
    back = int((steps < 0).sum())
    if not len(jumps) or len(jumps) > _SHUFFLED * len(times) or not _overlap(times, jumps):
        first = int(np.flatnonzero(steps < 0)[0]) + 1
        notes.say(
            f"the rows are not in the order of time ({count_of(back, 'step')} back, first in "
            f"{notes.unit} {rows.numbers[first]}, from {moment(times[first - 1])} to "
            f"{moment(times[first])}); sorted"
        )
        return rows
    reached = np.concatenate([times[:1] - 1, np.maximum.accumulate(times)[:-1]])
    again = times <= reached
    first = int(jumps[0])
    what = (
        f"{notes.unit} {rows.numbers[first]}: the time goes back from {moment(times[first - 1])} "
        f"to {moment(times[first])}"
    )
    hour = bool(is_hour[first - 1]) or abs(int(steps[first - 1]) + _HOUR) < _HOUR // 10
    hint = "; if it is local time, --timezone names its zone" if is_local and hour else ""
    if again.mean() > _MOST_LEFT_OUT:
        raise notes.refuse(
            f"{what}, and {count_of(int(again.sum()), 'row')} of {len(times):,} repeat times that "
            "were there before: the clock was set back, or the file holds several recordings; "
            f"split it into one file for each{hint}"
        )
    notes.say(
        f"{what} ({count_of(len(jumps), 'such step')}): {count_of(int(again.sum()), 'row')} with a "
        f"time that was reached before left out, as after a clock is set back{hint}"
    )
    return rows.only(~again)


def _without_spikes(rows: Ordered, notes: Notes) -> Ordered:
    """Without single rows that are ahead of both the row before and the row after."""
    times = rows.times
    if len(times) < 3:
        return rows
    steps = np.diff(times)
    rising = steps[steps > 0]
    typical = int(np.median(rising)) if len(rising) else SECOND
    ahead = np.flatnonzero(
        (steps[:-1] > _JITTER * typical) & (steps[1:] < -_JITTER * typical)
        & (times[2:] >= times[:-2])
    ) + 1  # fmt: skip
    if not len(ahead) or len(ahead) > _SHUFFLED * len(times):
        return rows
    notes.say(
        f"{notes.rows(rows.numbers[ahead])} skipped, whose time {moment(times[ahead[0]])} is far "
        "ahead of the rows before and after"
    )
    kept = np.ones(len(times), dtype=bool)
    kept[ahead] = False
    return rows.only(kept)


def _overlap(times: Times, jumps: Any) -> bool:
    """Whether two of the stretches between jumps hold the same time."""
    bounds = [0, *jumps.tolist(), len(times)]
    spans = sorted(
        (int(times[first:last].min()), int(times[first:last].max()))
        for first, last in pairwise(bounds)
    )
    return any(after[0] <= before[1] for before, after in pairwise(spans))


def _without_repeats(rows: Ordered, notes: Notes) -> Ordered:
    """Without rows that say again what another row of the same time says."""
    same = np.flatnonzero(np.diff(rows.times) == 0) + 1
    if not len(same):
        return rows
    one, other = rows.values[same - 1], rows.values[same]
    equal = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    conflicts = ((one != other) & ~np.isnan(one) & ~np.isnan(other)).any(axis=1)
    if conflicts.any():
        at = np.unique(rows.times[same[conflicts]])
        every = len(rows.times) / max(len(np.unique(rows.times)), 1)
        often = f", {every:.1f} rows for each time" if every >= 1.5 else ""
        notes.say(
            f"{count_of(len(at), 'time')} with different values in several rows (first "
            f"{moment(at[0])} in {notes.unit} {rows.numbers[same[conflicts][0]]}{often}): averaged "
            "on the grid; times may be cut to whole seconds or minutes"
        )
    if not equal.any():
        return rows
    notes.say(f"{notes.rows(np.sort(rows.numbers[same[equal]]))} left out, which repeat a row")
    kept = np.ones(len(rows.times), dtype=bool)
    kept[same[equal]] = False
    return rows.only(kept)
