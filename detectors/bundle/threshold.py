"""The threshold for a budget of false alarms, from a calibration on held-out scores. Pure.

Where the held-out data contains enough alarms, they are counted: the threshold for a budget of n
alarms is the level that the held-out scores crossed n times (a conformal quantile, free of any
assumption about the distribution). Rarer alarms are extrapolated in two ways, and the lower
threshold is used:
- From the body: the logarithm of a normal score is modelled as logistic, so the score is
  log-logistic (Fisk), with a robust median and scale. Abnormal periods in the data do not move it,
  but a broad body without a tail makes it too high.
- From the tail: the highest tenth is modelled as a Pareto tail with Hill's estimator (Annals of
  Statistics 3, 1975) at its upper 95 % limit (peaks over threshold). Abnormal periods, and few
  independent windows, can only make it higher.
The threshold is never below the line through the counted levels, continued to one alarm in the
data's length. A heavy tail shows in that line; the highest scores, which may belong to abnormal
periods, do not enter it.

Scores of an imported model need not behave like squared distances: the tail may be exponential in
the score itself or, for a probability, in its log-odds. The distribution of the body is unknown
then, so only the tail is used.
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

EXTRAPOLATION = 3.0
"""Longest time between two false alarms that the data supports, in lengths of the data."""
MIN_SPREAD = 0.02
"""Smallest spread on the scale, a margin for scores that hardly vary."""
MIN_SCORE = 1e-12
"""Keeps the logarithm finite."""
TAIL = 0.1
"""Share of the scores that counts as the tail."""

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
    """Parses '1 per week' into the time between two alarms, ns; ValueError shows the format."""
    match = re.match(_BUDGET, str(text))
    if not match or not int(match[1]):
        raise ValueError(
            f"{text!r} is not a budget: write a number and a time, as in 1 per week or 2 per shift;"
            f" the times are {', '.join(_TIMES)}"
        )
    return _TIMES[match[2]] // int(match[1])


Budget = Annotated[
    Nanos, BeforeValidator(parse_budget), WithJsonSchema({"type": "string", "pattern": _BUDGET})
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Scale(StrEnum):
    """Transformation of a score that makes its tail exponential."""

    LOG = "log"
    """For a squared distance: the score itself has a Pareto tail."""
    LINEAR = "linear"
    """For a score of any sign, in spreads from its median."""
    LOGIT = "logit"
    """For a probability."""

    def of(self, scores: Floats) -> Floats:
        """Transforms scores to this scale."""
        if self is Scale.LINEAR:
            return scores
        if self is Scale.LOG:
            return np.asarray(np.log(np.maximum(scores, MIN_SCORE)), dtype=np.float64)
        inside = np.clip(scores, MIN_SCORE, 1 - MIN_SCORE)
        return np.asarray(np.log(inside / (1 - inside)), dtype=np.float64)

    def score(self, value: float) -> float:
        """Transforms a value of the scale back to a score; the inverse of `of`."""
        if self is Scale.LINEAR:
            return value
        return math.exp(value) if self is Scale.LOG else 1 / (1 + math.exp(-value))


BOUNDS = {
    Scale.LOG: (0.0, math.inf),
    Scale.LINEAR: (-math.inf, math.inf),
    Scale.LOGIT: (0.0, 1.0),
}
"""Open interval in which the scores lie."""
LOWEST = {Scale.LOG: -math.inf, Scale.LINEAR: 1.0, Scale.LOGIT: 0.0}
"""Lowest threshold, on its scale: within one spread, or below a probability of a half, a window is
normal."""


class Level(Strict):
    """A score, and the number of alarms that it gives as a threshold in the length of the data."""

    alarms: Positive
    """One more than were counted."""
    score: Finite


class Calibration(Strict):
    """Summary of a model's scores on normal windows that it was not fitted on."""

    median: Finite
    spread: Positive
    """Scale parameter of the logistic distribution of the scores, on `scale`."""
    tail_from: Finite
    """The score that a tenth of the windows exceed."""
    tail_spread: Positive
    """Mean excess of those windows on `scale`, at its upper 95 % limit."""
    scale: Scale = Scale.LOG
    length: PositiveDuration
    """Normal running time that the scores cover."""
    window: PositiveDuration
    """Scores closer together than this are not independent."""
    chance: PositiveDuration
    """Decorrelation time of the score: one chance of a new crossing in each."""
    counted: tuple[Level, ...] = ()
    """Counted levels, rarest first; empty where there were too few alarms, and in older bundles."""
    slope: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Rise of the threshold on `scale` for alarms e times rarer, beyond the rarest counted level;
    0 if unknown."""

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        low, high = BOUNDS[self.scale]
        if not low < self.median <= self.tail_from < high:
            raise ValueError(
                f"median and tail_from must ascend and lie between {low:g} and {high:g}"
            )
        for rare, often in pairwise(self.counted):
            if not (rare.alarms < often.alarms and rare.score > often.score):
                raise ValueError(
                    "counted must go from few alarms at a high score to many at a low one"
                )
        return self

    @field_serializer("length", "window", "chance")
    def _with_unit(self, value: Nanos) -> str:
        return format_duration(value)

    @property
    def longest_interval(self) -> Nanos:
        """The longest time between two false alarms that the data supports, ns."""
        return round(EXTRAPOLATION * self.length)

    def promised(self, between: Nanos | None = None) -> Nanos:
        """The time between two false alarms, ns, that the threshold for this budget is set for."""
        return min(between or self.longest_interval, self.longest_interval)

    def threshold(self, between: Nanos | None = None) -> float:
        """The threshold for one false alarm in this time, ns; if None, for `longest_interval`."""
        between = self.promised(between)
        level = self._extrapolated(between)
        if self.counted:
            level = self._counted(self.length / between, level)
        return self.scale.score(max(level, LOWEST[self.scale]))

    def _extrapolated(self, between: Nanos) -> float:
        """The threshold on the scale, from the body and the tail."""
        chances = max(between / self.chance, 2.0)
        median, start = self.scale.of(np.array([self.median, self.tail_from])).tolist()
        tail = start + self.tail_spread * max(math.log(chances * TAIL), 0.0)
        body = median + self.spread * math.log(chances - 1)
        return float(min(body, tail) if self.scale is Scale.LOG else tail)

    def _counted(self, alarms: float, extrapolated: float) -> float:
        """The threshold on the scale for this number of alarms in the length of the data."""
        counts = np.log([level.alarms for level in self.counted])
        levels = self.scale.of(np.array([level.score for level in self.counted]))
        if alarms > self.counted[-1].alarms:
            return min(extrapolated, float(levels[-1]))
        if alarms >= self.counted[0].alarms:
            return float(np.interp(math.log(alarms), counts, levels))
        continued = levels[0] + self.slope * (counts[0] - math.log(max(alarms, 1.0)))
        return float(max(extrapolated, continued))
