"""The `limits` detector: what every control room knows, per tag, without learning anything.

Promises
- One alarm per tag and limit, named `<tag>.<limit>`; no model and no memory beyond the window.
- Scores are in engineering units, so a threshold is the limit itself: the value for high limits,
  the negated value for low limits, units per second for the rate, seconds for a flat line.
- Where a tag was not observed the score is NaN: silence is neither normal nor an alarm.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from detectors.runtime.gate import Gate, GateOptions
from detectors.runtime.known_tags import known_tags
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Alarm, Floats, Nanos, Score, Severity, Tag, Window, WindowSpec
from gateway.api.options import Duration, Name, PositiveDuration, Strict, format_duration

LONGEST = 20_000
"""Rows of a window at most: beyond this a flat line is asked for on too fine a grid."""
SAME = 1e-12
"""Relative difference that is rounding in a cell's mean, not a change."""

# Rows of the matrix of measures; every alarm picks one row at its tag's column.
_VALUE, _NEGATED, _RATE, _FLAT = range(4)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Limits(Strict):
    """What one tag may not do."""

    high_high: Finite | None = None
    """Alarm above this, one severity step above the detector's."""
    high: Finite | None = None
    """Alarm above this."""
    low: Finite | None = None
    """Alarm below this."""
    low_low: Finite | None = None
    """Alarm below this, one severity step above the detector's."""
    hysteresis: NotNegative = 0.0
    """How far back inside a limit the value must come before the alarm goes, in the tag's unit."""
    rate_of_change: Positive | None = None
    """Alarm when the value moves faster than this, up or down, in units per second."""
    flat_line: PositiveDuration | None = None
    """Alarm when the value has not changed at all for longer than this."""
    severity: Severity | None = None
    """Severity of all alarms of this tag; the detector's if not given."""
    on_delay: Duration | None = None
    """The detector's if not given."""
    off_delay: Duration | None = None
    """The detector's if not given."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        names = ("high_high", "high", "low", "low_low")
        given = [(name, value) for name in names if (value := getattr(self, name)) is not None]
        if not given and self.rate_of_change is None and self.flat_line is None:
            raise ValueError(
                "no limit given: write high_high, high, low, low_low, rate_of_change or flat_line"
            )
        for (upper, above), (lower, below) in pairwise(given):
            if above <= below:
                raise ValueError(f"{upper} ({above:g}) must be above {lower} ({below:g})")
        return self


class LimitsOptions(GateOptions):
    """High and low limits, rate of change and flat line per tag."""

    type: Literal["limits"]
    period: PositiveDuration = SECOND
    """How often the limits are judged; a cell is the mean of this stretch."""
    tags: Annotated[dict[Name, Limits], Field(min_length=1)]
    """The limits by tag name."""


class _Check(NamedTuple):
    """One alarm, and which measure of which tag it watches."""

    alarm: Alarm
    measure: int
    column: int


class LimitsDetector:
    """Judges the last row of each window against fixed limits.

    The rate is taken over one step of the grid, or over as many as the tag's own period needs, so
    that holding a slow tag's value does not turn its next sample into a jump. A gap ends a flat
    line: what was not seen may have changed.
    """

    Options: ClassVar[type[LimitsOptions]] = LimitsOptions

    def __init__(
        self,
        name: str,
        options: LimitsOptions,
        tags: Mapping[str, Tag],
        places: Places,  # noqa: ARG002 - the contract's; limits need no files
    ) -> None:
        self.name = name
        found = known_tags(name, options.tags, tags)
        limits = list(options.tags.values())
        period = options.period
        self._period = period / SECOND
        self._steps = np.array([max(1, -(-tag.period // period)) for tag in found])
        self._columns = np.arange(len(found))
        self._low, self._high = _normal_range(limits)
        self._names = tuple(options.tags)
        checks = [
            check
            for column, (tag, limit) in enumerate(zip(found, limits, strict=True))
            for check in _checks(tag.name, column, limit, options)
        ]
        self.alarms: Sequence[Alarm] = tuple(check.alarm for check in checks)
        self._measure = np.array([check.measure for check in checks])
        self._column = np.array([check.column for check in checks])
        length = 1 + max(
            _rows_needed(name, tag, limit, period, int(steps))
            for tag, limit, steps in zip(found, limits, self._steps, strict=True)
        )
        own = WindowSpec(self._names, period, length)
        self._gate = Gate(name, options.when or (), options.settle, tags, own, judged=1)
        self.spec = self._gate.spec
        self._blank = Score(0, np.full(len(checks), np.nan), 0.0)

    def score(self, windows: Sequence[Window]) -> Sequence[Score]:
        """Values float64[alarm] per window; `expected` is the nearest value within the limits."""
        return self._gate.judge(windows, self._judge_all, self._blank)

    def _judge_all(self, windows: Sequence[Window]) -> Sequence[Score]:
        return [self._judge(window) for window in windows]

    def _judge(self, window: Window) -> Score:
        observed = window.observed & np.isfinite(window.values)
        values = np.where(observed, window.values, np.nan)
        last = values[-1]
        # A window is as long as its longest flat line, so every tag's earlier row is in it.
        rate = np.abs(last - values[-1 - self._steps, self._columns]) / (self._steps * self._period)
        measures = np.stack((last, -last, rate, self._flat_seconds(values)))
        any_seen = bool(observed[-1].any())
        return Score(
            at=window.end,
            values=measures[self._measure, self._column],
            coverage=float(observed[-1].mean()),
            expected=np.clip(last, self._low, self._high),
            actual=last,
            blind="" if any_seen else f"no data for {', '.join(self._names)}",
        )

    def _flat_seconds(self, values: Floats) -> Floats:
        """Seconds since each tag last changed or was last not observed; NaN if it is not now."""
        before, after = values[:-1], values[1:]
        # NaN compares false, so a gap counts as a change.
        same = np.abs(after - before) <= SAME * np.abs(after)
        unchanged = np.logical_and.accumulate(same[::-1], axis=0).sum(axis=0)
        return np.where(np.isnan(values[-1]), np.nan, unchanged * self._period)


def _checks(tag: str, column: int, limits: Limits, options: LimitsOptions) -> list[_Check]:
    severity = limits.severity or options.severity
    # A tag that names its severity means it; else the outer limits weigh one step more.
    outer = severity if limits.severity else _one_above(severity)
    flat = None if limits.flat_line is None else limits.flat_line / SECOND
    wanted = (
        ("high_high", limits.high_high, _VALUE, outer),
        ("high", limits.high, _VALUE, severity),
        ("low", _negated(limits.low), _NEGATED, severity),
        ("low_low", _negated(limits.low_low), _NEGATED, outer),
        ("rate_of_change", limits.rate_of_change, _RATE, severity),
        ("flat_line", flat, _FLAT, severity),
    )
    return [
        _Check(
            Alarm(
                name=f"{tag}.{limit}",
                threshold=threshold,
                severity=weight,
                tag=tag,
                hysteresis=limits.hysteresis if measure in (_VALUE, _NEGATED) else 0.0,
                on_delay=options.on_delay if limits.on_delay is None else limits.on_delay,
                off_delay=options.off_delay if limits.off_delay is None else limits.off_delay,
            ),
            measure,
            column,
        )
        for limit, threshold, measure, weight in wanted
        if threshold is not None
    ]


def _negated(limit: float | None) -> float | None:
    return None if limit is None else -limit


def _one_above(severity: Severity) -> Severity:
    ladder = list(Severity)
    return ladder[min(severity.rank + 1, len(ladder) - 1)]


def _normal_range(limits: Sequence[Limits]) -> tuple[Floats, Floats]:
    """The innermost limits of each tag, infinite where there is none."""
    lows = [_first(each.low, each.low_low, -np.inf) for each in limits]
    highs = [_first(each.high, each.high_high, np.inf) for each in limits]
    return np.array(lows), np.array(highs)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _rows_needed(detector: str, tag: Tag, limits: Limits, period: Nanos, steps: int) -> int:
    """Rows before the last one that this tag's limits look at."""
    if limits.flat_line is None:
        return steps
    where = f"detector {detector}: flat_line of {tag.name}"
    if limits.flat_line < 2 * tag.period:
        raise ConfigError(
            f"{where} is {format_duration(limits.flat_line)}, but a new value comes only every "
            f"{format_duration(tag.period)}: make it at least twice that"
        )
    # One row more, since an alarm is active above its threshold, not at it.
    rows = limits.flat_line // period + 1
    if rows >= LONGEST:
        raise ConfigError(
            f"{where} needs {rows} rows of {format_duration(period)}, more than {LONGEST}: "
            f"give the detector a longer period, such as {_enough(limits.flat_line)}"
        )
    return max(steps, rows)


def _enough(flat_line: Nanos) -> str:
    seconds = -(-flat_line // (1000 * SECOND))
    return format_duration(seconds * SECOND)
