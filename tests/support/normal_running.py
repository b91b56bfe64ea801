"""Normal running of any length, and how many alarms a model raises in it."""

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter

from detectors.bundle.model import Model
from detectors.data.recordings import Recording
from detectors.evaluation.apply import follow
from detectors.training.choose import Windows
from detectors.training.learn import TrainedModel, learn
from detectors.training.prepare import TrainingOptions
from detectors.training.trial import alarm_at, scores_of
from gateway.api.model import SECOND, Nanos

HOUR = 3600 * SECOND
START = 1_767_225_600 * SECOND
AT_ONCE = 20_000
"""Windows that are scored at once."""


class Plant(NamedTuple):
    """Five tags that follow two hidden loads, each an autoregressive process, and noise."""

    period: Nanos
    memory: float
    """Correlation of a load with itself one row later."""
    degrees: float = np.inf
    """Degrees of freedom of the noise (Student's t): few give wild values now and then."""

    def run(self, length: Nanos, seed: int) -> Recording:
        """So much normal running; another seed, another stretch of the same plant."""
        rng, rows = np.random.default_rng(seed), length // self.period
        loads = smooth(rng.normal(size=(rows + 1000, 2)), self.memory)
        noise = rng.standard_t(self.degrees, size=(rows + 1000, 5)) if np.isfinite(self.degrees) \
            else rng.normal(size=(rows + 1000, 5))  # fmt: skip
        mix = np.array([[1, 0], [0.8, 0.3], [-0.6, 0.5], [0.2, 1], [0, 0.7]])
        values = (loads @ mix.T + 0.3 * smooth(noise, 0.5))[1000:]
        times = START + np.arange(1, rows + 1, dtype=np.int64) * self.period
        return Recording(tuple(f"tag{n}" for n in range(5)), times, values, {})

    def learnt(self, length: Nanos, seed: int) -> TrainedModel:
        """What `andon train` makes of it, with the method that it takes for such a plant."""
        return learn(
            self.run(length, seed), TrainingOptions(), lambda _step: None, ("mahalanobis",)
        )


def smooth(noise, memory):
    """The same with this correlation from row to row."""
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise, axis=0)


def alarms(learnt: TrainedModel, running: Recording, budgets: list[Nanos]) -> list[int]:
    """Alarms in this running, for each budget, by the graph and the alarm machine of a line."""
    model, length = Model(learnt.graph), learnt.model.frame.length
    views = np.lib.stride_tricks.sliding_window_view(running.values, length, axis=0)
    starts = range(0, len(views), AT_ONCE)
    found = [model.run(views[n : n + AT_ONCE].transpose(0, 2, 1).copy()) for n in starts]
    score = np.concatenate([each.score for each in found])
    contribution = np.concatenate([each.contribution for each in found])
    step = learnt.prepared.windows.period
    windows = Windows(views.transpose(0, 2, 1), running.times[length - 1 :], step, step, step)
    calibration = learnt.choice.chosen.calibration
    return [
        len(
            follow(
                alarm_at(calibration.threshold(budget), learnt.delay),
                running.names,
                scores_of(windows, score, contribution, None),
            ).episodes
        )
        for budget in budgets
    ]
