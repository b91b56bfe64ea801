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
from typing import Annotated

import numpy as np
from pydantic import Field, field_serializer

from gateway.model import Floats, Nanos
from gateway.options import PositiveDuration, Strict, format_duration

FURTHEST = 10.0
"""Times the data's length: rarer false alarms than one in this time cannot be promised by it."""
LEAST_SPREAD = 0.02
"""Of the logarithm: scores that hardly vary leave a little room all the same."""
TAIL = 0.1

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

    def threshold(self, between: Nanos | None = None) -> float:
        """For one false alarm in this time; if None, as rare as the data can speak of."""
        between = min(between or self.furthest, self.furthest)
        windows = max(between / self.window, 2.0)
        body = self.median * math.exp(self.spread * math.log(windows - 1))
        tail = self.tail_from * math.exp(self.tail_spread * max(math.log(windows * TAIL), 0.0))
        return min(body, tail)


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
