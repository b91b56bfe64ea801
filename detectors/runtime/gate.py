"""The gate before a detector: windows are scored only while the machine runs. Pure.

Promises
- The gate is open if its conditions held on every row that the detector judges, and for the
  settling time before them.
- While the gate is shut the detector is idle: no score, with the reason. While the gate's tags lack
  data the detector is blind.
- The score of a window is the same with and without a gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from detectors.runtime.gaps import hold
from detectors.runtime.known_tags import known_tags
from gateway.api.alarm_options import AlarmOptions
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
from gateway.api.options import Duration, format_duration
from gateway.api.wording import listed

MIN_SEEN = 0.8
"""Share of rows in which each of the gate's tags must be observed; the newest row must be."""
LONGEST = 20_000
"""Most rows that a gate may span."""


class GateOptions(AlarmOptions):
    """Timing of a detector's alarms, and the conditions under which it scores at all."""

    when: When | None = None
    """Score only while this holds, as in speed > 100, or all of [running == 1, speed > 100].
    Otherwise there is no score, and an active alarm is suppressed by design after its off_delay."""
    settle: Duration = 0
    """How long `when` must have held before scoring starts: the duration of a start-up."""


class GateState(NamedTuple):
    """State of the gate for each window."""

    is_open: Bools
    """bool[window]."""
    missing: Bools
    """bool[window, condition]: too little data to decide."""
    broken: Bools
    """bool[window, condition]: known to be false in the newest row."""
    held: Sequence[int]
    """Newest rows for which all conditions have held, for each window."""


class Gate:
    """The gate of one detector. `own` is the window that the detector itself needs.

    The gate must be open on the newest `judged` rows of it. `spec` is the window of both together.
    Without conditions the gate is always open, and `spec` is `own`. ConfigError if a condition
    names an unknown tag, or `settle` is too long or has no condition.
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
            raise ConfigError(f"detector {detector}: settle needs `when`, which is not given")
        self._own, self._tags = own, tags
        self._rows = judged + -(-settle // own.period)
        if self._rows > LONGEST:
            raise ConfigError(
                f"detector {detector}: settle of {format_duration(settle)} needs {self._rows} rows "
                f"of {format_duration(own.period)}, more than the {LONGEST} allowed: shorten it"
            )
        added = [name for name in named if name not in own.tags]
        self._added = len(added)
        self.spec = own
        if named:
            both = (*own.tags, *added)
            self.spec = WindowSpec(both, own.period, max(own.length, self._rows), own.hop)
        self._columns = [self.spec.tags.index(each.tag) for each in self._conditions]

    def judge(
        self,
        windows: Sequence[Window],
        score: Callable[[Sequence[Window]], Sequence[Score]],
        blank: Score,
    ) -> list[Score]:
        """Returns one score for each window; `score` is called with the windows of an open gate.

        `blank`, with a NaN for each alarm, is the template for windows that are not scored.
        """
        if not self._conditions or not windows:
            return list(score(windows))
        state = self.state(windows)
        judged = [w for w, is_open in zip(windows, state.is_open, strict=True) if is_open]
        scores = iter(score([self._inner(window) for window in judged]))
        return [
            self._widened(next(scores)) if is_open else self._unjudged(blank, window, state, row)
            for row, (window, is_open) in enumerate(zip(windows, state.is_open, strict=True))
        ]

    def state(self, windows: Sequence[Window]) -> GateState:
        """State of the gate for each window; the windows have the layout of `spec`."""
        part = (slice(-self._rows, None), self._columns)
        values = np.stack([window.values[part] for window in windows])
        observed = np.stack([window.observed[part] for window in windows]) & np.isfinite(values)
        filled = hold(values, observed)
        met = [each.holds(filled[..., n]) for n, each in enumerate(self._conditions)]
        holds = np.stack(met, axis=-1)
        broken = observed[:, -1] & ~holds[:, -1]
        missing = (observed.mean(axis=1) < MIN_SEEN) | ~observed[:, -1]
        running: Bools = np.all(holds, axis=2)
        always: Bools = np.all(running, axis=1)
        held = np.where(always, self._rows, running[:, ::-1].argmin(axis=1))
        return GateState(always & ~missing.any(axis=1), missing, broken, held.tolist())

    def reference(self, own: Reference) -> Reference:
        """Extends a drift reference by the tags that only the gate uses, each with a single bin."""
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
        """Pads the score for the tags that only the gate uses."""
        return replace(
            score,
            contribution=_padded(score.contribution, self._added, 0.0),
            expected=_padded(score.expected, self._added, np.nan),
            actual=_padded(score.actual, self._added, np.nan),
        )

    def _unjudged(self, blank: Score, window: Window, state: GateState, row: int) -> Score:
        blind = idle = ""
        if state.broken[row].any():
            idle = f"not running ({self._describe(state.broken[row])} is false)"
        elif state.missing[row].any():
            unknown = [self._conditions[n].tag for n in np.flatnonzero(state.missing[row])]
            blind = f"no data for {listed([*dict.fromkeys(unknown)])}, which `when` needs"
        else:
            held, wanted = (
                f"{rows * self.spec.period / SECOND:g} s" for rows in (state.held[row], self._rows)
            )
            everything = np.ones(len(self._conditions), dtype=np.bool_)
            idle = f"settling ({self._describe(everything)} for {held} of {wanted})"
        return replace(blank, at=window.end, coverage=window.coverage, blind=blind, idle=idle)

    def _describe(self, which: Bools) -> str:
        conditions = (self._conditions[n] for n in np.flatnonzero(which))
        return " and ".join(each.described(self._tags) for each in conditions)


def _padded(array: Floats | None, count: int, filler: float) -> Floats | None:
    return None if array is None else np.append(array, np.full(count, filler))
