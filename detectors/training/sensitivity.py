"""Detection delay of a shift of each tag, measured on windows of the test part.

A tag is shifted in the newest rows of a test window, as if it had jumped that many rows ago. A jump
is detected if the window with all rows shifted is above the threshold; the time to the alarm is
that of the first window above it, plus the on-delay. Both directions are tried.
"""

from typing import NamedTuple

import numpy as np

from detectors.training.trial import Trial
from gateway.api.model import Floats, Nanos

SHIFTS = (1.0, 2.0, 3.0)
"""Sizes of a shift, in standard deviations of the tag."""
STEPS = 10
"""Numbers of shifted rows that are tried, from one to the whole window."""
MAX_WINDOWS = 20
"""Most windows in which tags are shifted; fewer with many tags."""
MAX_SHIFTED = 200
"""Most windows times tags, which bounds the time."""


class Reaction(NamedTuple):
    """Detection of a jump by `shift` standard deviations, `size` in the tag's unit."""

    shift: float
    size: float
    seen: float
    """Share of the jumps that are detected, from 0 to 1."""
    delay: Nanos | None
    """Median time from a detected jump to its alarm, ns; None if none is detected."""


def reactions(trial: Trial, on_delay: Nanos) -> dict[str, list[Reaction]]:
    """Reactions by tag of the tested model; empty if no window of the test part scores normal."""
    normal = np.flatnonzero(trial.judged.score <= trial.judged.threshold)
    if not len(normal):
        return {}
    count = max(1, min(MAX_WINDOWS, MAX_SHIFTED // len(trial.names)))
    examples = trial.windows.values[normal[:: -(-len(normal) // count)]]
    return {
        name: [_reaction(trial, examples, column, shift, on_delay) for shift in SHIFTS]
        for column, name in enumerate(trial.names)
    }


def _reaction(
    trial: Trial, examples: Floats, column: int, shift: float, on_delay: Nanos
) -> Reaction:
    size = shift * float(trial.choice.model.frame.std[column])
    length = examples.shape[1]
    steps = np.unique(np.geomspace(1, length, STEPS).round().astype(int))
    shifted = np.concatenate(
        [_shifted(examples, column, rows, by) for rows in steps for by in (-size, size)]
    )
    over = trial.graph.run(shifted).score > trial.judged.threshold
    over = over.reshape(len(steps), -1)
    seen = over[-1]
    waits = (steps[over.argmax(axis=0)[seen]] - 1) * trial.windows.period
    delay = round(float(np.median(waits))) + on_delay if seen.any() else None
    return Reaction(shift, size, float(seen.mean()), delay)


def _shifted(examples: Floats, column: int, rows: int, by: float) -> Floats:
    shifted = examples.copy()
    shifted[:, -rows:, column] += by
    return shifted
