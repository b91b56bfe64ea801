"""From a budget of false alarms to a threshold, by scores that were held out. Pure.

The tail is read off twice, and the lower of the two holds:
- from the body: the logarithm of a normal window's score is taken as logistic, so the score as
  log-logistic (Fisk), with a robust median and spread. Strange stretches among the normal ones do
  not move it, but a broad body without a tail makes it too high.
- from the highest tenth, as a Pareto tail with Hill's estimator (Annals of Statistics 3, 1975) at
  its upper 95 % limit: extrapolation of the peaks over a threshold. Strange stretches, and few
  independent windows, can only make it higher.
"""

import math
import re
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_serializer

from gateway.model import SECOND, Floats, Nanos
from gateway.options import PositiveDuration, Strict, format_duration

FURTHEST = 10.0
"""Times the data's length: rarer false alarms than one in this time cannot be promised by it."""
LEAST_SPREAD = 0.02
"""Of the logarithm: scores that hardly vary leave a little room all the same."""
TAIL = 0.1
RESAMPLED = 200

_HOUR = 3600 * SECOND
_TIMES = {
    "hour": _HOUR,
    "shift": 8 * _HOUR,
    "day": 24 * _HOUR,
    "week": 7 * 24 * _HOUR,
    "month": 30 * 24 * _HOUR,
    "year": 365 * 24 * _HOUR,
}
_BUDGET = r"^\s*(\d+)\s+(?:per|a|an)\s+(" + "|".join(_TIMES) + r")\s*$"


def parse_budget(text: object) -> Nanos:
    """'1 per week' -> the time between two; ValueError with what would be right otherwise."""
    match = re.match(_BUDGET, str(text))
    if not match or not int(match[1]):
        raise ValueError(
            f"{text!r} is no budget: write a number and a time, as in 1 per week or 2 per shift; "
            f"times are {', '.join(_TIMES)}"
        )
    return _TIMES[match[2]] // int(match[1])


Budget = Annotated[
    Nanos, BeforeValidator(parse_budget), WithJsonSchema({"type": "string", "pattern": _BUDGET})
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Calibration(Strict):
    """The scores of normal windows that a model had not seen."""

    median: Positive
    spread: Positive
    """Scale of the logistic distribution of the logarithm of the scores."""
    tail_from: Positive
    """The score that a tenth of the windows exceed."""
    tail_spread: Positive
    """By how much the logarithm of those exceeds it, on average; the upper 95 % limit."""
    length: PositiveDuration
    """How much normal running they stand for."""
    window: PositiveDuration
    """Scores that are closer together than this are not independent."""

    @field_serializer("length", "window")
    def _with_unit(self, value: Nanos) -> str:
        return format_duration(value)

    @property
    def furthest(self) -> Nanos:
        """The longest time between two false alarms that the data can speak of."""
        return round(FURTHEST * self.length)

    def promised(self, between: Nanos | None = None) -> Nanos:
        """The time between two false alarms that a threshold is for, if this one is wished."""
        return min(between or self.furthest, self.furthest)

    def threshold(self, between: Nanos | None = None) -> float:
        """For one false alarm in this time; if None, as rare as the data can speak of."""
        windows = max(self.promised(between) / self.window, 2.0)
        body = self.median * math.exp(self.spread * math.log(windows - 1))
        tail = self.tail_from * math.exp(self.tail_spread * max(math.log(windows * TAIL), 0.0))
        return min(body, tail)

    def between(self, threshold: float) -> float:
        """The time between two false alarms above this threshold, ns: undoes `threshold`."""
        body = 1 + math.exp(math.log(threshold / self.median) / self.spread)
        tail = math.exp(math.log(threshold / self.tail_from) / self.tail_spread) / TAIL
        return max(body, tail) * self.window


class Interval(NamedTuple):
    """Between these times, ns, nine of ten estimates lie."""

    low: Nanos
    high: Nanos


def interval(
    scores: Floats, stretches: int, calibration: Calibration, threshold: float
) -> Interval:
    """How sure the time between two false alarms is: whole stretches are drawn anew (bootstrap).

    Stretches and not scores, since what is close in time is alike.
    """
    parts = np.array_split(scores, stretches)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLED):
        drawn = np.concatenate([parts[n] for n in rng.integers(0, stretches, stretches)])
        again = calibrate(drawn, calibration.length, calibration.window)
        found.append(min(again.between(threshold), float(2**62)))
    low, high = np.quantile(found, (0.05, 0.95))
    return Interval(round(low), round(high))


def calibrate(scores: Floats, length: Nanos, window: Nanos) -> Calibration:
    """From held-out scores, which need be neither in order nor complete."""
    logs = np.log(np.maximum(scores, 1e-12))
    middle, start = np.quantile(logs, (0.5, 1 - TAIL))
    # The median absolute deviation of a logistic distribution is its scale times ln 3.
    spread = float(np.median(np.abs(logs - middle))) / math.log(3)
    beyond = float((logs[logs >= start] - start).mean())
    independent = max(length / window * TAIL, 1.0)
    return Calibration(
        median=math.exp(middle),
        spread=max(spread, LEAST_SPREAD),
        tail_from=math.exp(start),
        tail_spread=max(beyond * (1 + 1.645 / math.sqrt(independent)), LEAST_SPREAD),
        length=format_duration(length),
        window=format_duration(window),
    )
