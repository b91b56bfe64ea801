"""From a budget of false alarms to a threshold, by scores that were held out. Pure.

The tail is read off twice, and the lower of the two holds:
- from the body: the logarithm of a normal window's score is taken as logistic, so the score as
  log-logistic (Fisk), with a robust median and spread. Strange stretches among the normal ones do
  not move it, but a broad body without a tail makes it too high.
- from the highest tenth, as a Pareto tail with Hill's estimator (Annals of Statistics 3, 1975) at
  its upper 95 % limit: extrapolation of the peaks over a threshold. Strange stretches, and few
  independent windows, can only make it higher.

The scores of a model that was made elsewhere need not be like squared distances: its tail may be
exponential in the score itself or, for a probability, in its log-odds. Of the law of their body
nothing is known then, so only the tail is read.
"""

import math
import re
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_serializer, model_validator

from gateway.model import SECOND, Floats, Nanos
from gateway.options import PositiveDuration, Strict, format_duration

FURTHEST = 3.0
"""Times the data's length: rarer false alarms than one in this time cannot be promised by it."""
LEAST_SPREAD = 0.02
"""On the scale: scores that hardly vary leave a little room all the same."""
LEAST_SCORE = 1e-12
"""So that a logarithm can be taken."""
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
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Scale(StrEnum):
    """The function of a score in which its tail is exponential."""

    LOG = "log"
    """Of a squared distance: the score itself has a Pareto tail."""
    LINEAR = "linear"
    """Of a score of any sign, in spreads from its median."""
    LOGIT = "logit"
    """Of a probability."""

    def of(self, scores: Floats) -> Floats:
        """These scores on this scale."""
        if self is Scale.LINEAR:
            return scores
        if self is Scale.LOG:
            return np.asarray(np.log(np.maximum(scores, LEAST_SCORE)), dtype=np.float64)
        inside = np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE)
        return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)

    def score(self, value: float) -> float:
        """The score at this value of the scale: undoes `of`."""
        if self is Scale.LINEAR:
            return value
        return math.exp(value) if self is Scale.LOG else 1 / (1 + math.exp(-value))


BOUNDS = {
    Scale.LOG: (0.0, math.inf),
    Scale.LINEAR: (-math.inf, math.inf),
    Scale.LOGIT: (0.0, 1.0),
}
"""Between which scores lie, neither of them reached."""
LOWEST = {Scale.LOG: -math.inf, Scale.LINEAR: 1.0, Scale.LOGIT: 0.0}
"""Of a threshold, on its scale: within one spread, or with a chance of less than a half, a window
is plainly normal."""


class Calibration(Strict):
    """The scores of normal windows that a model had not seen."""

    median: Finite
    spread: Positive
    """Scale of the logistic distribution of the scores, on the scale below."""
    tail_from: Finite
    """The score that a tenth of the windows exceed."""
    tail_spread: Positive
    """By how much those exceed it on that scale, on average; the upper 95 % limit."""
    scale: Scale = Scale.LOG
    length: PositiveDuration
    """How much normal running they stand for."""
    window: PositiveDuration
    """Scores that are closer together than this are not independent."""
    chance: PositiveDuration
    """Once in this time a score may rise above its threshold anew."""

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        low, high = BOUNDS[self.scale]
        if not low < self.median <= self.tail_from < high:
            raise ValueError(
                f"median and tail_from must ascend and lie between {low:g} and {high:g}"
            )
        return self

    @field_serializer("length", "window", "chance")
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
        chances = max(self.promised(between) / self.chance, 2.0)
        start = self._on_scale(self.tail_from)
        tail = start + self.tail_spread * max(math.log(chances * TAIL), 0.0)
        body = self._on_scale(self.median) + self.spread * math.log(chances - 1)
        found = min(body, tail) if self.scale is Scale.LOG else tail
        return self.scale.score(max(found, LOWEST[self.scale]))

    def between(self, threshold: float) -> float:
        """The time between two false alarms above this threshold, ns: undoes `threshold`."""
        middle, start, found = map(self._on_scale, (self.median, self.tail_from, threshold))
        body = 1 + _exp((found - middle) / self.spread)
        tail = _exp((found - start) / self.tail_spread) / TAIL
        return (max(body, tail) if self.scale is Scale.LOG else tail) * self.chance

    def _on_scale(self, score: float) -> float:
        return float(self.scale.of(np.array([score]))[0])


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


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
        again = calibrate(drawn, calibration.length, calibration.window, calibration.scale,
                          calibration.chance)  # fmt: skip
        found.append(min(again.between(threshold), float(2**62)))
    low, high = np.quantile(found, (0.05, 0.95))
    return Interval(round(low), round(high))


def calibrate(
    scores: Floats,
    length: Nanos,
    window: Nanos,
    scale: Scale = Scale.LOG,
    chance: Nanos | None = None,
) -> Calibration:
    """From held-out scores, which need be neither in order nor complete.

    `chance` is how long a score takes to forget, the length of a window where that is not known.
    """
    values = scale.of(scores)
    middle, start = np.quantile(values, (0.5, 1 - TAIL))
    # The median absolute deviation of a logistic distribution is its scale times ln 3.
    spread = float(np.median(np.abs(values - middle))) / math.log(3)
    beyond = float((values[values >= start] - start).mean())
    independent = max(length / window * TAIL, 1.0)
    return Calibration(
        median=scale.score(float(middle)),
        spread=max(spread, LEAST_SPREAD),
        tail_from=scale.score(float(start)),
        tail_spread=max(beyond * (1 + 1.645 / math.sqrt(independent)), LEAST_SPREAD),
        scale=scale,
        length=format_duration(length),
        window=format_duration(window),
        chance=format_duration(chance or window),
    )
