"""The gate before a detector: it judges a machine only while that runs. Pure.

Promises
- Open is what held on every row that the detector judges and for the settling time before it.
- Shut is idle, not blind: no score, with the reason. A gate whose tags lack data is not known, and
  that is blind.
- What the detector makes of a window is the same with and without a gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from detectors.runtime.gaps import hold
from detectors.runtime.known_tags import known_tags
from gateway.api.conditions import When, parse_condition
from gateway.api.contracts import ConfigError
from gateway.api.model import (
    SECOND,
    Bools,
    Floats,
    Nanos,
    Reference,
    Score,
    Tag,
    Window,
    WindowSpec,
)
from gateway.api.options import AlarmOptions, Duration, format_duration

LEAST_SEEN = 0.8
"""Share of its rows in which each of the gate's tags must be observed, and the newest."""
LONGEST = 20_000
"""Rows that a gate may look at."""


class GateOptions(AlarmOptions):
    """How a detector's alarms behave in time, and when it judges at all."""

    when: When | None = None
    """Judge only while this holds, as in speed > 100, or all of [running == 1, speed > 100]. Else
    there is no score, and an active alarm is suppressed by design after its off_delay."""
    settle: Duration = 0
    """How long `when` must have held before anything is judged: what a start takes."""


class Look(NamedTuple):
    """What the gate's own rows say, for each window."""

    is_open: Bools
    missing: Bools
    """bool[window, condition]: too little data to say."""
    broken: Bools
    """bool[window, condition]: known not to hold in the newest row."""
    held: Sequence[int]
    """Rows for which all of it has held."""


class Gate:
    """The gate of one detector. `own` is what the detector itself wants to see.

    `judged` are the newest rows of it that the gate must be open on. Without conditions it is
    always open, and `spec` is `own`.
    """

    def __init__(
        self,
        detector: str,
        when: When,
        settle: Nanos,
        tags: Mapping[str, Tag],
        own: WindowSpec,
        judged: int,
    ) -> None:
        self._conditions = [parse_condition(text) for text in when]
        named = dict.fromkeys(condition.tag for condition in self._conditions)
        known_tags(detector, named, tags)
        if settle and not named:
            raise ConfigError(f"detector {detector}: settle waits after `when`, which is not given")
        self._own, self._tags = own, tags
        self._rows = judged + -(-settle // own.period)
        if self._rows > LONGEST:
            raise ConfigError(
                f"detector {detector}: settle of {format_duration(settle)} needs {self._rows} rows "
                f"of {format_duration(own.period)}, more than {LONGEST}: shorten it"
            )
        beside = [name for name in named if name not in own.tags]
        self._added = len(beside)
        self.spec = own
        if named:
            seen = (*own.tags, *beside)
            self.spec = WindowSpec(seen, own.period, max(own.length, self._rows), own.hop)
        self._columns = [self.spec.tags.index(each.tag) for each in self._conditions]

    def judge(
        self,
        windows: Sequence[Window],
        score: Callable[[Sequence[Window]], Sequence[Score]],
        blank: Score,
    ) -> list[Score]:
        """One score for each window; `score` is asked for those in which the gate is open.

        `blank` has a NaN for each alarm: what stands where nothing is judged.
        """
        if not self._conditions or not windows:
            return list(score(windows))
        look = self.look(windows)
        judged = [w for w, is_open in zip(windows, look.is_open, strict=True) if is_open]
        found = iter(score([self._inner(window) for window in judged]))
        return [
            self._widened(next(found)) if is_open else self._unjudged(blank, window, look, row)
            for row, (window, is_open) in enumerate(zip(windows, look.is_open, strict=True))
        ]

    def look(self, windows: Sequence[Window]) -> Look:
        """Is it open, for each window; `spec` says what they hold."""
        part = (slice(-self._rows, None), self._columns)
        values = np.stack([window.values[part] for window in windows])
        observed = np.stack([window.observed[part] for window in windows]) & np.isfinite(values)
        filled = hold(values, observed)
        met = [each.holds(filled[..., n]) for n, each in enumerate(self._conditions)]
        holds = np.stack(met, axis=-1)
        broken = observed[:, -1] & ~holds[:, -1]
        missing = (observed.mean(axis=1) < LEAST_SEEN) | ~observed[:, -1]
        running: Bools = np.all(holds, axis=2)
        always: Bools = np.all(running, axis=1)
        held = np.where(always, self._rows, running[:, ::-1].argmin(axis=1))
        return Look(always & ~missing.any(axis=1), missing, broken, held.tolist())

    def reference(self, own: Reference) -> Reference:
        """How the tags that only the gate looks at were spread is not known: one bin for all."""
        if not own.edges or not self._added:
            return own
        edges: Sequence[Sequence[float]] = ((),) * self._added
        shares: Sequence[Sequence[float]] = ((1.0,),) * self._added
        return replace(
            own,
            edges=(*own.edges[:-1], *edges, own.edges[-1]),
            shares=(*own.shares[:-1], *shares, own.shares[-1]),
        )

    def _inner(self, window: Window) -> Window:
        rows, tags = self._own.length, len(self._own.tags)
        return Window(
            window.end - (rows - 1) * window.period,
            window.period,
            window.values[-rows:, :tags],
            window.observed[-rows:, :tags],
        )

    def _widened(self, score: Score) -> Score:
        """With places for the tags that only the gate looks at."""
        return replace(
            score,
            contribution=_padded(score.contribution, self._added, 0.0),
            expected=_padded(score.expected, self._added, np.nan),
            actual=_padded(score.actual, self._added, np.nan),
        )

    def _unjudged(self, blank: Score, window: Window, look: Look, row: int) -> Score:
        blind = idle = ""
        if look.broken[row].any():
            idle = f"not running ({self._said(look.broken[row])} is false)"
        elif look.missing[row].any():
            gone = dict.fromkeys(self._conditions[n].tag for n in np.flatnonzero(look.missing[row]))
            blind = f"no data for {', '.join(gone)}, which `when` asks for"
        else:
            held, wanted = (
                f"{rows * self.spec.period / SECOND:g} s" for rows in (look.held[row], self._rows)
            )
            everything = np.ones(len(self._conditions), dtype=np.bool_)
            idle = f"settling ({self._said(everything)} for {held} of {wanted})"
        return replace(blank, at=window.end, coverage=window.coverage, blind=blind, idle=idle)

    def _said(self, which: Bools) -> str:
        conditions = (self._conditions[n] for n in np.flatnonzero(which))
        return " and ".join(each.described(self._tags) for each in conditions)


def _padded(array: Floats | None, count: int, filler: float) -> Floats | None:
    return None if array is None else np.append(array, np.full(count, filler))
