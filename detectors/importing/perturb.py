"""Normal windows with a tag moved by some of its standard deviations, as a fault may do."""

import numpy as np

from gateway.api.model import Floats

STEPS = (1.0, 2.0, 4.0, 8.0)


def perturbed(windows: Floats) -> Floats:
    """The same windows float64[window, time, tag], each with one tag shifted for its whole length.

    The tag and the size of the step go round, so that each is met with each.
    """
    moved = windows.copy()
    spread = windows[:, -1].std(axis=0)
    number = np.arange(len(windows))
    tag = number % windows.shape[2]
    step = np.array(STEPS)[(number // windows.shape[2]) % len(STEPS)]
    moved[number, :, tag] += (step * spread[tag])[:, None]
    return moved
