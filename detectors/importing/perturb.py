"""Perturbation of normal windows, to compare a quantized model with its original."""

import numpy as np

from gateway.api.model import Floats

STEPS = (1.0, 2.0, 4.0, 8.0)
"""Sizes of a shift, in standard deviations of the tag."""


def perturbed(windows: Floats) -> Floats:
    """Copies of windows float64[window, time, tag], each with one tag shifted throughout.

    Tags and sizes rotate, so that all combinations occur.
    """
    shifted = windows.copy()
    spread = windows[:, -1].std(axis=0)
    number = np.arange(len(windows))
    tag = number % windows.shape[2]
    step = np.array(STEPS)[(number // windows.shape[2]) % len(STEPS)]
    shifted[number, :, tag] += (step * spread[tag])[:, None]
    return shifted
