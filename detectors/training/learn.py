"""From a recording of normal running to a model with a threshold. Pure but for progress messages.

Promises
- Every score that calibrates is of a model that has not seen its window: consecutive stretches of
  the data are held out in turn. What runs live is fitted on all of it.
- No setting is told: method, size and threshold follow from the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.budget import Interval, interval
from detectors.bundle import Model, Outputs
from detectors.training.choose import STRETCHES, USUAL, Choice, choose
from detectors.training.data import Recording
from detectors.training.export import graph_bytes
from detectors.training.lagged import Frame, Lagged
from detectors.training.prepare import Prepared, Wishes, prepare
from gateway.model import SECOND, Floats, Nanos

DELAY = 20 * SECOND
"""How long a score should be above its threshold, or below, before an alarm is raised, or goes, as
is usual for process alarms: EEMUA 191 and ISA-18.2 start from 15 s to 60 s."""
DRIFTED = 3.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, its graph, and how it did on what it had not seen."""

    prepared: Prepared
    choice: Choice
    graph: bytes
    examples: Floats
    rows: int
    left_out: dict[str, str]
    budget: Nanos | None
    """Wished time between two false alarms, ns; None for as rare as the data can speak of."""

    @property
    def model(self) -> Lagged:
        """What was fitted on everything."""
        return self.choice.model

    @property
    def scores(self) -> Floats:
        """Of windows in their order, each by a model that had not seen it."""
        return self.choice.chosen.scores

    @property
    def threshold(self) -> float:
        """For the budget, as far as the data can speak of it."""
        return self.choice.chosen.calibration.threshold(self.budget)

    @property
    def sureness(self) -> Interval:
        """Of the time between two false alarms."""
        chosen = self.choice.chosen
        return interval(chosen.scores, STRETCHES, chosen.calibration, self.threshold)

    @property
    def delay(self) -> Nanos:
        """The on-delay and off-delay that suit the model, in whole steps of its windows."""
        step = self.prepared.windows.period * self.prepared.hop
        return DELAY // step * step

    @property
    def exceedances(self) -> int:
        """Held-out windows above the threshold."""
        return int((self.scores > self.threshold).sum())

    @property
    def has_drifted(self) -> bool:
        """Whether the newest part is unlike what was before it."""
        return self.choice.drift > DRIFTED


def learn(
    recording: Recording,
    wishes: Wishes,
    say: Callable[[str], None],
    methods: Sequence[str] = USUAL,
) -> Learnt:
    """Learn what is normal; ConfigError if the recording does not allow it."""
    say("aligning the recording")
    prepared = prepare(recording, wishes)
    choice = choose(prepared.windows, _frame(prepared), methods, say)
    return Learnt(
        prepared,
        choice,
        graph_bytes(choice.model),
        _examples(prepared, choice),
        len(recording.times),
        recording.left_out | prepared.dropped,
        wishes.false_alarms,
    )


def _frame(prepared: Prepared) -> Frame:
    newest = prepared.windows.values[:, -1]
    return Frame(newest.mean(axis=0), newest.std(axis=0), prepared.lag, prepared.recency)


def _examples(prepared: Prepared, choice: Choice) -> Floats:
    """A typical window, the strangest one, and the typical one with its first tag far off."""
    order = np.argsort(choice.chosen.scores, kind="stable")
    picked = [choice.judged[order[len(order) // 2]], choice.judged[order[-1]]]
    windows = prepared.windows.values[picked]
    wrong = windows[:1].copy()
    wrong[:, :, 0] += 8 * choice.model.frame.std[0]
    return np.concatenate((windows, wrong))


def judged(learnt: Learnt) -> Outputs:
    """What the graph makes of the examples: the golden vectors."""
    return Model(learnt.graph).run(learnt.examples)
