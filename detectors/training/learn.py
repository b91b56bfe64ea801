"""From a recording of normal running to a model with a threshold. Pure but for progress messages.

Promises
- Every score that calibrates is of a model that has not seen its window: consecutive stretches of
  the data are held out in turn. What runs live is fitted on all of it.
- The newest part is also a test, of a model that was made without it.
- No setting is told: method, size and threshold follow from the data.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from detectors.bundle.bundle import Model, Outputs
from detectors.calibration.held_out import Interval, confidence_interval, default_delay
from detectors.data.recordings import Recording
from detectors.evaluation.apply import Judged, follow
from detectors.models.export import graph_bytes
from detectors.models.lagged import Lagged
from detectors.training.choose import FOLDS, USUAL, Choice, choose
from detectors.training.prepare import Prepared, TrainingOptions, prepare
from detectors.training.sensitivity import Reaction, reactions
from detectors.training.trial import Trial, alarm_at, run_trial, scores_of
from gateway.api.model import Floats, Nanos

DRIFTED = 3.0
"""How strange the newest part may be to the model of what was before it, against the median."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model, its graph, and how it did on what it had not seen."""

    prepared: Prepared
    choice: Choice
    graph: bytes
    examples: Floats
    rows: int
    left_out: dict[str, str]
    budget: Nanos | None
    """Wished time between two false alarms, ns; None for as rare as the data can speak of."""
    trial: Trial | None

    @property
    def model(self) -> Lagged:
        """What was fitted on everything."""
        return self.choice.model

    @property
    def nonstationary_tags(self) -> list[str]:
        """Tags that are judged by their course alone, since their level wandered."""
        names = zip(self.prepared.names, self.model.frame.nonstationary, strict=True)
        return [name for name, nonstationary in names if nonstationary]

    @property
    def scores(self) -> Floats:
        """Of windows in their order, each by a model that had not seen it."""
        return self.choice.chosen.scores

    @property
    def threshold(self) -> float:
        """For the budget, as far as the data can speak of it."""
        return self.choice.chosen.calibration.threshold(self.budget)

    @property
    def confidence_interval(self) -> Interval:
        """Of the time between two false alarms."""
        return self.confidence_interval_at(self.threshold)

    def confidence_interval_at(self, threshold: float) -> Interval:
        """The same, of another threshold."""
        chosen, hop = self.choice.chosen, self.prepared.windows.hop
        return confidence_interval(chosen.scores, FOLDS, chosen.calibration, threshold, hop)

    @property
    def delay(self) -> Nanos:
        """The on-delay and off-delay that suit the model."""
        return _delay(self.prepared)

    @property
    def held_out(self) -> Judged:
        """The alarms that the held-out scores would have raised."""
        windows, rows = self.prepared.windows, self.choice.judged
        some = windows._replace(values=windows.values[rows], ends=windows.ends[rows])
        scores = scores_of(some, self.scores, self.choice.chosen.contributions, None)
        return follow(alarm_at(self.threshold, self.delay), self.prepared.names, scores)

    @property
    def reactions(self) -> dict[str, list[Reaction]]:
        """How fast a shift of each tag is seen, by the tested model on the test part."""
        return {} if self.trial is None else reactions(self.trial, self.delay)

    @property
    def exceedances(self) -> int:
        """Held-out windows above the threshold."""
        return int((self.scores > self.threshold).sum())

    @property
    def has_drifted(self) -> bool:
        """Whether the newest part is unlike what was before it."""
        return self.trial is None or self.trial.drift > DRIFTED


def learn(
    recording: Recording,
    wishes: TrainingOptions,
    say: Callable[[str], None],
    methods: Sequence[str] = USUAL,
) -> TrainedModel:
    """Learn what is normal; ConfigError if the recording does not allow it."""
    say("aligning the recording")
    prepared = prepare(recording, wishes)
    windows, budget = prepared.windows, wishes.false_alarms
    with _one_thread():
        choice = choose(windows, prepared.lag, prepared.recency, methods, say, prepared.faulty)
        trial = run_trial(windows, prepared.names, choice, budget, _delay(prepared), say)
    return TrainedModel(
        prepared,
        choice,
        graph_bytes(choice.model),
        examples(prepared, choice),
        len(recording.times),
        recording.left_out | prepared.dropped,
        budget,
        trial,
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: more threads only fight, with the line beside them as well."""
    import sklearn.cluster  # noqa: F401 - a library that is not loaded yet is not limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def _delay(prepared: Prepared) -> Nanos:
    return default_delay(prepared.windows.hop)


def examples(prepared: Prepared, choice: Choice) -> Floats:
    """A typical window, the strangest one, and the typical one with its first tag far off."""
    order = np.argsort(choice.chosen.scores, kind="stable")
    picked = [choice.judged[order[len(order) // 2]], choice.judged[order[-1]]]
    windows = prepared.windows.values[picked]
    wrong = windows[:1].copy()
    wrong[:, :, 0] += 8 * choice.model.frame.std[0]
    return np.concatenate((windows, wrong))


def judged(learnt: TrainedModel) -> Outputs:
    """What the graph makes of the examples: the golden vectors."""
    return Model(learnt.graph).run(learnt.examples)
