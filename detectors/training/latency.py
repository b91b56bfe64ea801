"""What scoring costs on this machine."""

import time

from detectors.bundle.bundle import Model
from gateway.api.model import Floats


def seconds_per_window(model: Model, windows: Floats) -> float:
    """For a window that comes alone, as they do live: the best of five rounds of up to a hundred.

    Windows float64[window, time, tag].
    """
    some = [windows[row : row + 1] for row in range(min(len(windows), 100))]

    def once() -> float:
        started = time.perf_counter()
        for window in some:
            model.run(window)
        return (time.perf_counter() - started) / len(some)

    return min(once() for _ in range(5))
