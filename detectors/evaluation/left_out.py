"""A judged recording without some of its rows."""

import numpy as np

from detectors.evaluation.apply import Judged
from gateway.api.model import Bools


def without(judged: Judged, left_out: Bools) -> Judged:
    """The other rows, and the episodes that have one of them; the rest is not counted."""
    kept = ~left_out
    number = judged.number[kept]
    numbers = np.unique(number[number >= 0])
    renumbered = np.where(number >= 0, np.searchsorted(numbers, number), -1)
    return Judged(
        judged.at[kept],
        judged.score[kept],
        renumbered,
        judged.idle[kept],
        judged.threshold,
        tuple(judged.episodes[n] for n in numbers.tolist()),
    )
