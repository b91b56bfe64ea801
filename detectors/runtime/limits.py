"""The `limits` detector: fixed limits per tag, as in a control room, without a model.

Promises
- One alarm per tag and limit, named `<tag>.<limit>`; no memory beyond the window.
- Scores are in engineering units, and a threshold is the limit itself: the value for high and low
  limits, units per second for the rate, seconds for a flat line. Alarms of low limits are `below`.
- Where a tag was not observed the score is NaN: missing data is neither normal nor an alarm.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from detectors.runtime.alarm_fields import alarm_fields
from detectors.runtime.gate import Gate, GateOptions
from detectors.runtime.known_tags import known_tags
from gateway.api.alarm_options import AlarmOverrides, Phrase
from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND, Bools, Floats, Nanos, Score, Tag, Window, WindowSpec
from gateway.api.options import Name, PositiveDuration, Strict, Text, format_duration
from gateway.api.wording import listed

LONGEST = 20_000
"""Most rows of a window; a longer flat line needs a coarser grid."""
SAME = 1e-12
"""Relative difference up to which two values count as equal: rounding in a cell's mean."""

Counts = NDArray[np.int64]
# Rows of the matrix of measures; each alarm reads one row at its tag's column.
_VALUE, _RATE, _FLAT = range(3)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class LimitAlarm(AlarmOverrides):
    """One alarm of a tag, where it differs from the tag's others."""

    title: Text | None = None
    """Its name for people, as in "Oil too hot"; if not given, made of the tag and the limit."""
    phrase: Phrase | None = None
    """Its message when it is raised, with {alarm}, {value}, {limit} and {since}."""


class LimitAlarms(Strict):
    """The alarms of a tag by the limit that raises them."""

    high_high: LimitAlarm | None = None
    high: LimitAlarm | None = None
    low: LimitAlarm | None = None
    low_low: LimitAlarm | None = None
    rate_of_change: LimitAlarm | None = None
    flat_line: LimitAlarm | None = None


class Limits(AlarmOverrides):
    """Limits of one tag, and how its alarms differ from the detector's others."""

    high_high: Finite | None = None
    """Alarm above this, one severity step above the detector's."""
    high: Finite | None = None
    """Alarm above this."""
    low: Finite | None = None
    """Alarm below this."""
    low_low: Finite | None = None
    """Alarm below this, one severity step above the detector's."""
    hysteresis: NotNegative = 0.0
    """How far back inside a limit the value must return to clear the alarm, in the tag's unit."""
    rate_of_change: Positive | None = None
    """Alarm when the value moves faster than this, up or down, in units per second."""
    flat_line: PositiveDuration | None = None
    """Alarm when the value has not changed at all for longer than this."""
    severity: Severity | None = None
    """Severity of all alarms of this tag; the detector's if not given."""
    alarms: LimitAlarms = LimitAlarms()
    """How one of its alarms differs from the others: its title, advice, severity, delays."""

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
        for name in self.alarms.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"alarms.{name} has no limit: write {name}, or leave it out")
        return self


class LimitsOptions(GateOptions):
    """High and low limits, rate of change and flat line per tag."""

    type: Literal["limits"]
    period: PositiveDuration = SECOND
    """How often the limits are checked; the value is the mean over this period."""
    tags: Annotated[dict[Name, Limits], Field(min_length=1)]
    """Limits by tag name."""


class _Check(NamedTuple):
    """One alarm, and the measure and tag that it watches."""

    alarm: Alarm
    measure: int
    column: int


class LimitsDetector:
    """Checks the last row of each window against fixed limits.

    The rate of change is taken over one step of the grid, or over the tag's own period if that is
    longer, so that the next sample of a slow tag, whose value was held, is not a jump. A gap ends a
    flat line if the value after it is another one. If it is the same it may have changed meanwhile
    or not, so until the line is flat for longer than its limit again nothing is known: an alarm
    that is active stays so, also after a restart.
    """

    Options: ClassVar[type[LimitsOptions]] = LimitsOptions

    def __init__(
        self,
        name: str,
        options: LimitsOptions,
        tags: Mapping[str, Tag],
        places: Places,  # noqa: ARG002 - part of the contract; limits need no files
    ) -> None:
        self.name = name
        watched = known_tags(name, options.tags, tags)
        limits = list(options.tags.values())
        period = options.period
        self._period = period / SECOND
        self._steps = np.array([max(1, -(-tag.period // period)) for tag in watched])
        self._columns = np.arange(len(watched))
        self._flat_limit = np.array([(limit.flat_line or 0) / SECOND for limit in limits])
        self._names = tuple(options.tags)
        checks = [
            check
            for column, (tag, limit) in enumerate(zip(watched, limits, strict=True))
            for check in _checks(tag.name, column, limit, options)
        ]
        self.alarms: Sequence[Alarm] = tuple(check.alarm for check in checks)
        self._measure = np.array([check.measure for check in checks])
        self._column = np.array([check.column for check in checks])
        length = 1 + max(
            _rows_needed(name, tag, limit, period, int(steps))
            for tag, limit, steps in zip(watched, limits, self._steps, strict=True)
        )
        own = WindowSpec(self._names, period, length)
        self._gate = Gate(name, options.when or (), options.settle, tags, own, judged=1)
        self.spec = self._gate.spec
        self._blank = Score(0, np.full(len(checks), np.nan), 0.0)

    def score(self, windows: Sequence[Window]) -> Sequence[Score]:
        """Scores each window, float64[alarm]; a limit has no expected value."""
        return self._gate.judge(windows, self._judge_all, self._blank)

    def _judge_all(self, windows: Sequence[Window]) -> Sequence[Score]:
        return [self._judge(window) for window in windows]

    def _judge(self, window: Window) -> Score:
        observed = window.observed & np.isfinite(window.values)
        values = np.where(observed, window.values, np.nan)
        last = values[-1]
        # A window is as long as its longest flat line, so every tag's earlier row is in it.
        rate = np.abs(last - values[-1 - self._steps, self._columns]) / (self._steps * self._period)
        measures = np.stack((last, rate, self._flat_seconds(values)))
        any_seen = bool(observed[-1].any())
        return Score(
            at=window.end,
            start=window.end - window.period,
            values=measures[self._measure, self._column],
            coverage=float(observed[-1].mean()),
            actual=last,
            blind="" if any_seen else f"no data for {listed(self._names)}",
        )

    def _flat_seconds(self, values: Floats) -> Floats:
        """Seconds since each tag last changed; NaN if it is not observed now, or if a gap hides
        whether it changed within its limit.
        """
        before, after = values[:-1], values[1:]
        # NaN compares false, so a gap counts as a change.
        same = np.abs(after - before) <= SAME * np.abs(after)
        unchanged = np.logical_and.accumulate(same[::-1], axis=0).sum(axis=0)
        seconds = np.where(np.isnan(values[-1]), np.nan, unchanged * self._period)
        hidden = self._may_be_older(values, unchanged) & (seconds <= self._flat_limit)
        return np.where(hidden, np.nan, seconds)

    def _may_be_older(self, values: Floats, unchanged: Counts) -> Bools:
        """Whether a gap ended the flat line, and what is known from before it is the same value."""
        ended = len(values) - 2 - unchanged
        is_gap = (ended >= 0) & np.isnan(values[ended, self._columns])
        earlier = ~np.isnan(values) & (np.arange(len(values))[:, None] < ended)
        last = len(values) - 1 - earlier[::-1].argmax(axis=0)
        known, now = values[last, self._columns], values[-1]
        differs = earlier.any(axis=0) & (np.abs(now - known) > SAME * np.abs(now))
        return np.asarray(is_gap & ~differs)


def _checks(tag: str, column: int, limits: Limits, options: LimitsOptions) -> list[_Check]:
    severity = limits.severity or options.severity
    # A severity of the tag applies to all its limits; else the outer ones are one step higher.
    outer = severity if limits.severity else _one_above(severity)
    flat = None if limits.flat_line is None else limits.flat_line / SECOND
    wanted = (
        ("high_high", limits.high_high, _VALUE, outer),
        ("high", limits.high, _VALUE, severity),
        ("low", limits.low, _VALUE, severity),
        ("low_low", limits.low_low, _VALUE, outer),
        ("rate_of_change", limits.rate_of_change, _RATE, severity),
        ("flat_line", flat, _FLAT, severity),
    )
    return [
        _Check(
            _alarm(tag, limit, threshold, weight, measure, limits, options),
            measure,
            column,
        )
        for limit, threshold, measure, weight in wanted
        if threshold is not None
    ]


def _alarm(
    tag: str,
    limit: str,
    threshold: float,
    severity: Severity,
    measure: int,
    limits: Limits,
    options: LimitsOptions,
) -> Alarm:
    own = getattr(limits.alarms, limit) or LimitAlarm()
    return Alarm(
        name=f"{tag}.{limit}",
        threshold=threshold,
        severity=own.severity or severity,
        tag=tag,
        hysteresis=limits.hysteresis if measure == _VALUE else 0.0,
        below=limit in ("low", "low_low"),
        title=own.title or "",
        phrase=own.phrase or "",
        **alarm_fields(options, (own, limits)),
    )


def _one_above(severity: Severity) -> Severity:
    ladder = list(Severity)
    return ladder[min(severity.rank + 1, len(ladder) - 1)]


def _rows_needed(detector: str, tag: Tag, limits: Limits, period: Nanos, steps: int) -> int:
    """Rows before the last one that this tag's limits need."""
    if limits.flat_line is None:
        return steps
    where = f"detector {detector}: flat_line of {tag.name}"
    if limits.flat_line < 2 * tag.period:
        raise ConfigError(
            f"{where} is {format_duration(limits.flat_line)}, but a new value comes only every "
            f"{format_duration(tag.period)}: set it to at least twice that"
        )
    # One more row, since an alarm is active above its threshold, not at it.
    rows = limits.flat_line // period + 1
    if rows >= LONGEST:
        raise ConfigError(
            f"{where} needs {rows} rows of {format_duration(period)}, more than the {LONGEST} "
            f"allowed: give the detector a longer period, such as {_long_enough(limits.flat_line)}"
        )
    return max(steps, rows)


def _long_enough(flat_line: Nanos) -> str:
    seconds = -(-flat_line // (1000 * SECOND))
    return format_duration(seconds * SECOND)
