"""Model health: does a model still see what it was learnt from, and does it see at all? Pure.

Promises
- Trouble with a model raises alarms of its own, of low severity, and never a process anomaly.
- A channel is compared by all of its recent past, not by one window: how its values of the last
  day are spread over the bins that the training data filled (population stability index).
- No index is given before there is as much of the recent past as is compared.
- `memory` and `recall` carry it over a restart.

The index is the sum over bins of (now - then) * ln(now / then). A normal distribution that moved by
its own standard deviation has an index of 1. Source: Siddiqi, "Credit Risk Scorecards", 2006,
chapter 10; there 0.25 of independent cases is a shift, but a plant's values follow one another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import Detector, HasReference
from gateway.api.model import SECOND, Floats, Nanos, Reference, Score, Window
from gateway.core.align import Memory

DETECTOR = "models"
"""The name under which these alarms appear."""
DAY = 86_400 * SECOND
SHIFTED = 1.0
BLIND_SHARE = 0.2
BLIND_OVER = 3600 * SECOND
ON_DELAY = 600 * SECOND
LEAST_SHARE = 1e-3
"""An empty bin counts as this much, so that the index stays finite."""


class _Recent:
    """Shares of the recent past: counts that halve with each half-life of time watched."""

    def __init__(self, shape: tuple[int, ...], half_life: Nanos) -> None:
        self.counts = np.zeros(shape)
        self.watched = np.zeros(1, dtype=np.int64)
        self._half_life = half_life

    def pass_time(self, step: Nanos) -> None:
        self.counts *= 0.5 ** (step / self._half_life)
        self.watched += step

    @property
    def is_ripe(self) -> bool:
        return int(self.watched[0]) >= self._half_life


class ModelWatch:
    """One model's inputs, scores and sight. `step` is the time between two windows, ns."""

    def __init__(self, reference: Reference, step: Nanos) -> None:
        self._reference, self._step = reference, step
        self._sight = _Recent((2,), BLIND_OVER)
        bins = max(map(len, reference.shares), default=0)
        over = min(max(reference.span, BLIND_OVER), DAY)
        self._channels = _Recent((len(reference.shares), bins), over)

    def push(self, window: Window, score: Score) -> None:
        """Take in what the model was shown last and what it made of it.

        While the machine does not run, a model is neither blind nor shown what it was learnt from.
        """
        if score.idle:
            return
        judged = bool(np.isfinite(score.values).any())
        self._sight.pass_time(self._step)
        self._sight.counts[int(judged)] += 1
        if not judged or not self._reference.edges:
            return
        self._channels.pass_time(self._step)
        values = [*window.values[-1].tolist(), float(score.values[0])]
        for channel, (value, edges) in enumerate(zip(values, self._reference.edges, strict=True)):
            if np.isfinite(value):
                self._channels.counts[channel, int(np.searchsorted(edges, value))] += 1

    @property
    def blindness(self) -> float:
        """Share of the recent windows that could not be judged; NaN while there are too few."""
        counts = self._sight.counts
        return float(counts[0] / counts.sum()) if self._sight.is_ripe else np.nan

    @property
    def shifts(self) -> Floats:
        """The index of each tag and, last, of the score; NaN until the past is long enough."""
        if not (self._channels.is_ripe and self._reference.edges):
            return np.full(max(len(self._reference.edges), 1), np.nan)
        rows = zip(self._reference.shares, self._channels.counts, strict=True)
        return np.array([stability_index(then, now[: len(then)]) for then, now in rows])

    def parts(self) -> dict[str, NDArray[Any]]:
        """The arrays themselves, by name, for `ModelHealth.memory`."""
        return {
            "sight": self._sight.counts,
            "sight_watched": self._sight.watched,
            "channels": self._channels.counts,
            "channels_watched": self._channels.watched,
        }


class ModelHealth:
    """The health of all models of a line, as alarms: inputs, scores and sight of each."""

    def __init__(self, detectors: Mapping[str, Detector], tags: Sequence[str]) -> None:
        self._detectors = {n: d for n, d in detectors.items() if isinstance(d, HasReference)}
        self._columns = {
            name: np.array([tags.index(tag) for tag in detector.spec.tags])
            for name, detector in self._detectors.items()
        }
        self._tags = len(tags)
        self._watches = {
            name: ModelWatch(detector.reference, detector.spec.period * detector.spec.hop)
            for name, detector in self._detectors.items()
        }
        self.alarms = tuple(
            alarm
            for name, detector in self._detectors.items()
            for alarm in _alarms_of(name, detector.spec.tags)
        )

    def push(self, detector: str, window: Window, score: Score) -> None:
        """A window and its score; nothing happens for a detector that is no model."""
        if detector in self._watches:
            self._watches[detector].push(window, score)

    def score(self, now: Nanos) -> Score:
        """The three figures of each model, one for each alarm; tags by their index of shift."""
        values: list[float] = []
        shift = np.zeros(self._tags)
        for name, watch in self._watches.items():
            *inputs, score = watch.shifts
            values += [max(inputs, default=np.nan), score, watch.blindness]
            columns = self._columns[name]
            if inputs:
                shift[columns] = np.fmax(shift[columns], inputs)
        return Score(now, np.array(values), coverage=1.0, contribution=shift)

    def memory(self) -> Memory:
        """What a restart must not forget."""
        return {
            f"{name}.{part}": array.copy()
            for name, watch in self._watches.items()
            for part, array in watch.parts().items()
        }

    def recall(self, memory: Memory) -> None:
        """Go on where an earlier run stopped; what does not fit the models of today is left."""
        for name, watch in self._watches.items():
            pairs = [(array, memory.get(f"{name}.{n}")) for n, array in watch.parts().items()]
            if all(was is not None and was.shape == array.shape for array, was in pairs):
                for array, was in pairs:
                    array[...] = was


def _alarms_of(detector: str, tags: Sequence[str]) -> list[Alarm]:
    return [
        Alarm(f"{detector}.{what}", limit, Severity.LOW, hysteresis=limit / 5, on_delay=ON_DELAY,
              off_delay=ON_DELAY, scope=scope)
        for what, limit, scope in (
            ("input_drift", SHIFTED, tuple(tags)),
            ("score_drift", SHIFTED, tuple(tags)),
            ("blindness", BLIND_SHARE, None),
        )
    ]  # fmt: skip


def stability_index(then: Sequence[float], now: Floats) -> float:
    """The population stability index of two spreads over the same bins; counts or shares."""
    before = np.maximum(np.asarray(then) / np.sum(then), LEAST_SHARE)
    after = np.maximum(now / max(now.sum(), 1e-300), LEAST_SHARE)
    return float(np.sum((after - before) * np.log(after / before)))
