"""How fast a shift of each tag would raise an alarm: measured on windows the model had not seen.

A tag is moved in the newest rows of a test window, as if it had jumped so many rows ago. A jump is
seen if a window in which all of the tag is moved is above the threshold, and the time to the alarm
is that of the first window above it, and the on-delay. Both directions count.
"""

from typing import NamedTuple

import numpy as np

from detectors.training.trial import Trial
from gateway.api.model import Floats, Nanos

SHIFTS = (1.0, 2.0, 3.0)
"""By so many standard deviations of the tag."""
MOMENTS = 10
"""Numbers of moved rows that are looked at, from one to the whole window."""
MAX_WINDOWS = 20
"""In which tags are moved; fewer where there are many tags."""
MAX_MOVED = 200
"""Windows times tags, which bounds the time."""


class Reaction(NamedTuple):
    """What came of a jump by `shift` standard deviations, `size` in the tag's unit."""

    shift: float
    size: float
    seen: float
    """Share of the jumps that are seen, from 0 to 1."""
    delay: Nanos | None
    """Median time from a seen jump to its alarm, ns; None where none is seen."""


def reactions(trial: Trial, on_delay: Nanos) -> dict[str, list[Reaction]]:
    """For each tag of the tested model; empty where it finds no window of the test part normal."""
    quiet = np.flatnonzero(trial.judged.score <= trial.judged.threshold)
    if not len(quiet):
        return {}
    count = max(1, min(MAX_WINDOWS, MAX_MOVED // len(trial.names)))
    examples = trial.windows.values[quiet[:: -(-len(quiet) // count)]]
    return {
        name: [_reaction(trial, examples, column, shift, on_delay) for shift in SHIFTS]
        for column, name in enumerate(trial.names)
    }


def _reaction(
    trial: Trial, examples: Floats, column: int, shift: float, on_delay: Nanos
) -> Reaction:
    size = shift * float(trial.choice.model.frame.std[column])
    length = examples.shape[1]
    moments = np.unique(np.geomspace(1, length, MOMENTS).round().astype(int))
    wrong = np.concatenate(
        [_moved(examples, column, rows, by) for rows in moments for by in (-size, size)]
    )
    over = trial.graph.run(wrong).score > trial.judged.threshold
    over = over.reshape(len(moments), -1)
    seen = over[-1]
    waits = (moments[over.argmax(axis=0)[seen]] - 1) * trial.windows.period
    delay = round(float(np.median(waits))) + on_delay if seen.any() else None
    return Reaction(shift, size, float(seen.mean()), delay)


def _moved(examples: Floats, column: int, rows: int, by: float) -> Floats:
    wrong = examples.copy()
    wrong[:, -rows:, column] += by
    return wrong
