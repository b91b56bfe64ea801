"""From a recording of normal running to a model with a threshold. Pure, except for progress.

Promises
- Every score used for calibration comes from a model that was not fitted on its window: consecutive
  folds are held out in turn. The model that runs live is fitted on all of the data.
- The newest part is also a test, of a model trained without it.
- No setting is required: method, size and threshold follow from the data.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from detectors.bundle.model import Model, Outputs
from detectors.calibration.held_out import Interval, confidence_interval, default_delay
from detectors.data.recordings import Recording
from detectors.evaluation.apply import Judged, follow
from detectors.models.export import graph_bytes
from detectors.models.lagged import Lagged
from detectors.training.choose import DEFAULT_METHODS, FOLDS, Choice, choose
from detectors.training.prepare import Prepared, TrainingOptions, prepare
from detectors.training.sensitivity import Reaction, reactions
from detectors.training.trial import Trial, alarm_at, run_trial, scores_of
from gateway.api.model import Floats, Nanos

DRIFTED = 3.0
"""Ratio of the newest part's median score to the held-out median from which it has drifted."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model, its graph, and its results on held-out data."""

    prepared: Prepared
    choice: Choice
    graph: bytes
    examples: Floats
    """Windows of the golden vectors."""
    rows: int
    left_out: dict[str, str]
    budget: Nanos | None
    """Requested time between two false alarms, ns; None for the longest that the data supports."""
    trial: Trial | None

    @property
    def model(self) -> Lagged:
        """The model, fitted on all of the data."""
        return self.choice.model

    @property
    def nonstationary_tags(self) -> list[str]:
        """Non-stationary tags, whose level does not count."""
        flags = zip(self.prepared.names, self.model.frame.nonstationary, strict=True)
        return [name for name, is_nonstationary in flags if is_nonstationary]

    @property
    def scores(self) -> Floats:
        """Held-out scores float64[window], in order of time."""
        return self.choice.chosen.scores

    @property
    def threshold(self) -> float:
        """Threshold for the budget, as far as the data supports it."""
        return self.choice.chosen.calibration.threshold(self.budget)

    @property
    def confidence_interval(self) -> Interval:
        """Confidence interval of the time between two false alarms."""
        return self.confidence_interval_at(self.threshold)

    def confidence_interval_at(self, threshold: float) -> Interval:
        """The same for another threshold."""
        chosen, hop = self.choice.chosen, self.prepared.windows.hop
        return confidence_interval(chosen.scores, FOLDS, chosen.calibration, threshold, hop)

    @property
    def delay(self) -> Nanos:
        """Default on-delay and off-delay of the model, ns."""
        return _delay(self.prepared)

    @property
    def held_out(self) -> Judged:
        """Alarms that the held-out scores would have raised."""
        windows, rows = self.prepared.windows, self.choice.judged
        scored = windows._replace(values=windows.values[rows], ends=windows.ends[rows])
        scores = scores_of(scored, self.scores, self.choice.chosen.contributions, None)
        return follow(alarm_at(self.threshold, self.delay), self.prepared.names, scores)

    @property
    def reactions(self) -> dict[str, list[Reaction]]:
        """Detection of a shift of each tag, by the tested model on the test part."""
        return {} if self.trial is None else reactions(self.trial, self.delay)

    @property
    def exceedances(self) -> int:
        """Number of held-out windows above the threshold."""
        return int((self.scores > self.threshold).sum())

    @property
    def has_drifted(self) -> bool:
        """Whether the newest part differs from the data before it."""
        return self.trial is None or self.trial.drift > DRIFTED


def learn(
    recording: Recording,
    options: TrainingOptions,
    on_step: Callable[[str], None],
    methods: Sequence[str] = DEFAULT_METHODS,
) -> TrainedModel:
    """Trains a model of normal running; ConfigError if the recording does not allow it."""
    on_step("aligning the recording")
    prepared = prepare(recording, options)
    windows, budget = prepared.windows, options.false_alarms
    with _one_thread():
        choice = choose(windows, prepared.lag, prepared.recency, methods, on_step, prepared.faulty)
        trial = run_trial(windows, prepared.names, choice, budget, _delay(prepared), on_step)
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
    """Limits the libraries to one thread: the matrices are small, and a line may run beside it."""
    import sklearn.cluster  # noqa: F401 - only a loaded library can be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def _delay(prepared: Prepared) -> Nanos:
    return default_delay(prepared.windows.hop)


def examples(prepared: Prepared, choice: Choice) -> Floats:
    """A typical window, the one with the highest score, and the typical one with a large shift."""
    order = np.argsort(choice.chosen.scores, kind="stable")
    chosen = [choice.judged[order[len(order) // 2]], choice.judged[order[-1]]]
    windows = prepared.windows.values[chosen]
    shifted = windows[:1].copy()
    shifted[:, :, 0] += 8 * choice.model.frame.std[0]
    return np.concatenate((windows, shifted))


def golden_outputs(trained: TrainedModel) -> Outputs:
    """Outputs of the graph for the examples, for the golden vectors."""
    return Model(trained.graph).run(trained.examples)
