"""From a budget of false alarms to a threshold, by scores that were held out. Pure.

As far as the held-out running had enough alarms, they are counted: a threshold that they went above
so many times is for so many (a conformal quantile, which asks nothing of the scores' law). What is
rarer than that is read off twice more, and the lower of the two holds:
- from the body: the logarithm of a normal window's score is taken as logistic, so the score as
  log-logistic (Fisk), with a robust median and spread. Strange stretches among the normal ones do
  not move it, but a broad body without a tail makes it too high.
- from the highest tenth, as a Pareto tail with Hill's estimator (Annals of Statistics 3, 1975) at
  its upper 95 % limit: extrapolation of the peaks over a threshold. Strange stretches, and few
  independent windows, can only make it higher.
It is never lower than what was counted leads to, continued to one alarm in the data's length: a fat
tail shows there, and the highest scores, which may be strange stretches, have no part in it.

The scores of a model that was made elsewhere need not be like squared distances: its tail may be
exponential in the score itself or, for a probability, in its log-odds. Of the law of their body
nothing is known then, so only the tail is read.
"""

import math
import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_serializer, model_validator

from gateway.api.model import SECOND, Floats, Nanos
from gateway.api.options import PositiveDuration, Strict, format_duration

FURTHEST = 3.0
"""Times the data's length: rarer false alarms than one in this time cannot be promised by it."""
LEAST_SPREAD = 0.02
"""On the scale: scores that hardly vary leave a little room all the same."""
LEAST_SCORE = 1e-12
"""So that a logarithm can be taken."""
TAIL = 0.1

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


class Level(Strict):
    """A score, and how many alarms it is for in the length of the data."""

    alarms: Positive
    """One more than went above it there."""
    score: Finite


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
    counted: tuple[Level, ...] = ()
    """The rarest first; none where too few alarms could be counted, and in older bundles."""
    slope: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """By how much the score for so many alarms rises on that scale where they become e times rarer
    than the rarest counted; 0 where that is not known."""

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        low, high = BOUNDS[self.scale]
        if not low < self.median <= self.tail_from < high:
            raise ValueError(
                f"median and tail_from must ascend and lie between {low:g} and {high:g}"
            )
        for rare, often in pairwise(self.counted):
            if not (rare.alarms < often.alarms and rare.score > often.score):
                raise ValueError("counted must go from few alarms at a high score to many at a low")
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
        between = self.promised(between)
        found = self._by_law(between)
        if self.counted:
            found = self._by_count(self.length / between, found)
        return self.scale.score(max(found, LOWEST[self.scale]))

    def _by_law(self, between: Nanos) -> float:
        """On the scale: what body and tail give."""
        chances = max(between / self.chance, 2.0)
        median, start = self.scale.of(np.array([self.median, self.tail_from])).tolist()
        tail = start + self.tail_spread * max(math.log(chances * TAIL), 0.0)
        body = median + self.spread * math.log(chances - 1)
        return float(min(body, tail) if self.scale is Scale.LOG else tail)

    def _by_count(self, alarms: float, law: float) -> float:
        """On the scale, for so many alarms in the length of the data."""
        often = np.log([level.alarms for level in self.counted])
        found = self.scale.of(np.array([level.score for level in self.counted]))
        if alarms > self.counted[-1].alarms:
            return min(law, float(found[-1]))
        if alarms >= self.counted[0].alarms:
            return float(np.interp(math.log(alarms), often, found))
        return float(max(law, found[0] + self.slope * (often[0] - math.log(max(alarms, 1.0)))))
