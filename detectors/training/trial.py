"""The test: the newest part of the data, scored by a model trained without it.

Promises
- Scaling, size, fit and threshold of the tested model come from the data before the test part, by
  the code that trains the live model, and no row is in both. Only the method was chosen on all of
  the data, by its sensitivity, not by its false alarms on the test part.
- Alarms are those of the line's alarm machine, on the scores of the exported graph.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from detectors.bundle.model import Model
from detectors.calibration.held_out import Interval, poisson_interval
from detectors.evaluation.apply import Judged, follow
from detectors.models.export import graph_bytes
from detectors.runtime.onnx import HYSTERESIS
from detectors.training.choose import Choice, Windows, choose
from gateway.api.alarms import Alarm
from gateway.api.model import Floats, Nanos, Score, Times

SHARE = 0.3
"""Share of the data in the test part: long enough for a result, and to show drift."""


class BudgetVerdict(StrEnum):
    """Result of a test of the budget, by the number of false alarms."""

    KEPT = "kept"
    """So few false alarms that the budget is kept, with 95 % confidence."""
    OPEN = "open"
    """Consistent with the budget; the test part is too short for a decision."""
    BROKEN = "broken"
    """So many false alarms that the budget is exceeded, with 95 % confidence."""


class Trial(NamedTuple):
    """Result of a model of the earlier part on the newest part."""

    choice: Choice
    names: tuple[str, ...]
    """Tags of the tested model: those that varied in the earlier part."""
    graph: Model
    windows: Windows
    """The test part."""
    judged: Judged
    promised: Nanos
    """Time between two false alarms, ns, that the tested threshold is set for."""

    @property
    def length(self) -> Nanos:
        """Running time of the test part, ns."""
        return len(self.windows.ends) * self.windows.step

    @property
    def expected(self) -> float:
        """False alarms that the budget allows in the test part."""
        return self.length / self.promised

    @property
    def interval(self) -> Interval:
        """Confidence interval of the time between two false alarms, from the count."""
        return poisson_interval(len(self.judged.episodes), self.length)

    @property
    def verdict(self) -> BudgetVerdict:
        """Whether the budget was kept, as far as the count shows."""
        low, high = self.interval
        if high is not None and high < self.promised:
            return BudgetVerdict.BROKEN
        return BudgetVerdict.KEPT if low >= self.promised else BudgetVerdict.OPEN

    @property
    def drift(self) -> float:
        """Ratio of the test part's median score to the held-out median of the earlier part."""
        return float(np.median(self.judged.score)) / self.choice.chosen.calibration.median


def run_trial(
    windows: Windows,
    names: tuple[str, ...],
    whole: Choice,
    budget: Nanos | None,
    delay: Nanos,
    on_step: Callable[[str], None],
) -> Trial | None:
    """Tests the method of `whole`; None if no tag varied before the test part."""
    cut = before_test(len(windows.ends))
    varying = np.flatnonzero(np.ptp(windows.values[:cut, -1], axis=0) > 0)
    if not len(varying):
        return None
    separate = windows.ends[cut - 1] + (windows.values.shape[1] - 1) * windows.period
    earlier = _part(windows, slice(cut), varying)
    first = int(np.searchsorted(windows.ends, separate, "right"))
    newest = _part(windows, slice(first, None), varying)
    lag, weights = whole.model.frame.lag, whole.model.frame.recency
    methods = (whole.chosen.method,)
    choice = choose(earlier, lag, weights, methods, lambda step: on_step(f"testing: {step}"))
    calibration = choice.chosen.calibration
    threshold = calibration.threshold(budget)
    graph = Model(graph_bytes(choice.model))
    tags = tuple(names[column] for column in varying)
    judged = follow(alarm_at(threshold, delay), tags, scores_of(newest, *graph.run(newest.values)))
    return Trial(choice, tags, graph, newest, judged, calibration.promised(budget))


def before_test(windows: int) -> int:
    """Number of windows before the test part."""
    return round(windows * (1 - SHARE))


def alarm_at(threshold: float, delay: Nanos) -> Alarm:
    """The alarm of a line with the defaults of the bundle."""
    low = HYSTERESIS * threshold
    return Alarm("anomaly", threshold, hysteresis=low, on_delay=delay, off_delay=delay)


def _part(windows: Windows, rows: slice, tags: Times) -> Windows:
    return windows._replace(values=windows.values[rows][:, :, tags], ends=windows.ends[rows])


def scores_of(
    windows: Windows, score: Floats, contribution: Floats, expected: Floats | None
) -> Iterator[Score]:
    """Yields one score for each window, as the detector of a line does."""
    for row, at in enumerate(windows.ends.tolist()):
        yield Score(
            at,
            score[row : row + 1],
            1.0,
            contribution=contribution[row],
            expected=None if expected is None else expected[row],
            actual=windows.values[row, -1],
        )
