"""Time to score a window on this machine."""

import time

from detectors.bundle.model import Model
from gateway.api.model import Floats


def seconds_per_window(model: Model, windows: Floats) -> float:
    """Seconds per window, scored one at a time as on a line: the best of five rounds.

    Up to a hundred of the windows float64[window, time, tag] are used.
    """
    sample = [windows[row : row + 1] for row in range(min(len(windows), 100))]

    def once() -> float:
        started = time.perf_counter()
        for window in sample:
            model.run(window)
        return (time.perf_counter() - started) / len(sample)

    return min(once() for _ in range(5))
