"""Faults that are put into normal windows, to learn which candidate sees them. Pure.

One tag at a time, throughout a window: its level is shifted, or it shakes more from row to row, or
it stands still, as the value of a stuck sensor does. There are three sizes of a shift in both
directions, so the others count less.
"""

from enum import StrEnum

import numpy as np

from gateway.api.model import Floats


class InjectedFault(StrEnum):
    """What is put in."""

    SHIFT = "shifts"
    NOISE = "noise"
    STANDSTILL = "standstills"


SHIFTS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
"""How far a tag is moved, in its standard deviations."""
FAULTS = (*[InjectedFault.SHIFT] * len(SHIFTS), InjectedFault.NOISE, InjectedFault.STANDSTILL)
NOISE = 3.0
"""Standard deviation of the noise, in that which the window's steps from row to row speak of."""
MAX_TAGS = 16
"""In which faults are put, evenly chosen."""


def inject_faults(windows: Floats, std: Floats) -> Floats:
    """Each of FAULTS in each of some tags: float64[fault, tag * window, time, tag].

    windows: float64[window, time, tag]; std: float64[tag].
    """
    steps = np.diff(windows, axis=1, prepend=windows[:, :1])
    noise = np.random.default_rng(0).permuted(steps - steps.mean(axis=1, keepdims=True), axis=1)
    wrong = [windows + shift * std for shift in SHIFTS]
    wrong += [windows + NOISE / np.sqrt(2) * noise, np.broadcast_to(windows[:, :1], windows.shape)]
    return np.stack([_one_at_a_time(windows, every) for every in wrong])


def _one_at_a_time(windows: Floats, wrong: Floats) -> Floats:
    """The windows once for each of some tags, with that tag as it is in `wrong`."""
    count = windows.shape[2]
    tags = np.arange(0, count, -(-count // MAX_TAGS))
    chosen = np.arange(count) == tags[:, None, None, None]
    return np.where(chosen, wrong, windows).reshape(-1, *windows.shape[1:])
