"""The test: the newest part of the data, judged by a model that never saw it.

Promises
- Scale, size, fit and threshold of the tested model come from what was before the test part, by
  the code that makes the model which runs live, and no row is in both. Only which method is taken
  was chosen on all of the data, by how much it sees, not by how quiet it is on the test part.
- Alarms are those of the line's alarm machine, of the very graph that would run.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from detectors.bundle.bundle import Model
from detectors.calibration.held_out import Interval, poisson_interval
from detectors.evaluation.apply import Judged, follow
from detectors.models.export import graph_bytes
from detectors.runtime.onnx import HYSTERESIS
from detectors.training.choose import Choice, Windows, choose
from gateway.api.model import Alarm, Floats, Nanos, Score, Times

SHARE = 0.3
"""Of the data that is the test part: long enough to say something, and to show drift."""


class Verdict(StrEnum):
    """What the counted false alarms say of the budget."""

    KEPT = "kept"
    """Nineteen of twenty times so few come only if the budget is kept."""
    OPEN = "open"
    """They agree with the budget, and the test part is too short to say more."""
    BROKEN = "broken"
    """Nineteen of twenty times so many come only if the budget is not kept."""


class Trial(NamedTuple):
    """How the model of the earlier part did on the newest one."""

    choice: Choice
    names: tuple[str, ...]
    """Tags that the tested model knows: those that varied in the earlier part."""
    graph: Model
    windows: Windows
    """The test part."""
    judged: Judged
    promised: Nanos
    """Time between two false alarms that the tested threshold is for, ns."""

    @property
    def length(self) -> Nanos:
        """How much running the test part stands for."""
        return len(self.windows.ends) * self.windows.step

    @property
    def expected(self) -> float:
        """False alarms that may be borne in the test part."""
        return self.length / self.promised

    @property
    def interval(self) -> Interval:
        """Of the time between two false alarms, by what was counted."""
        return poisson_interval(len(self.judged.episodes), self.length)

    @property
    def verdict(self) -> Verdict:
        """Whether the budget was kept."""
        low, high = self.interval
        if high is not None and high < self.promised:
            return Verdict.BROKEN
        return Verdict.KEPT if low >= self.promised else Verdict.OPEN

    @property
    def drift(self) -> float:
        """How strange the test part is to the model of what was before it, against the median."""
        return float(np.median(self.judged.score)) / self.choice.chosen.calibration.median


def run_trial(
    windows: Windows,
    names: tuple[str, ...],
    whole: Choice,
    budget: Nanos | None,
    delay: Nanos,
    say: Callable[[str], None],
) -> Trial | None:
    """Test the method of `whole`; None where nothing varied before the test part."""
    cut = before_test(len(windows.ends))
    known = np.flatnonzero(np.ptp(windows.values[:cut, -1], axis=0) > 0)
    if not len(known):
        return None
    apart = windows.ends[cut - 1] + (windows.values.shape[1] - 1) * windows.period
    earlier = _some(windows, slice(cut), known)
    newest = _some(windows, slice(int(np.searchsorted(windows.ends, apart, "right")), None), known)
    lag, weights = whole.model.frame.lag, whole.model.frame.recency
    methods = (whole.chosen.method,)
    choice = choose(earlier, lag, weights, methods, lambda step: say(f"testing: {step}"))
    calibration = choice.chosen.calibration
    threshold = calibration.threshold(budget)
    graph = Model(graph_bytes(choice.model))
    tags = tuple(names[column] for column in known)
    judged = follow(alarm_at(threshold, delay), tags, scores_of(newest, *graph.run(newest.values)))
    return Trial(choice, tags, graph, newest, judged, calibration.promised(budget))


def before_test(windows: int) -> int:
    """Number of the windows that lie before the test part."""
    return round(windows * (1 - SHARE))


def alarm_at(threshold: float, delay: Nanos) -> Alarm:
    """The alarm of a line that uses the bundle as it recommends."""
    low = HYSTERESIS * threshold
    return Alarm("anomaly", threshold, hysteresis=low, on_delay=delay, off_delay=delay)


def _some(windows: Windows, rows: slice, tags: Times) -> Windows:
    return windows._replace(values=windows.values[rows][:, :, tags], ends=windows.ends[rows])


def scores_of(
    windows: Windows, score: Floats, contribution: Floats, expected: Floats | None
) -> Iterator[Score]:
    """One for each window, as the detector of a line makes them."""
    for row, at in enumerate(windows.ends.tolist()):
        yield Score(
            at,
            score[row : row + 1],
            1.0,
            contribution=contribution[row],
            expected=None if expected is None else expected[row],
            actual=windows.values[row, -1],
        )
