"""Fault injection into normal windows, to compare the sensitivity of candidates. Pure.

One tag at a time, throughout a window: its level is shifted, noise is added, or its value is
frozen, as of a stuck sensor. Shifts have three sizes in both directions, so that noise and frozen
values weigh less.
"""

from enum import StrEnum

import numpy as np

from gateway.api.model import Floats


class InjectedFault(StrEnum):
    """Kind of an injected fault."""

    SHIFT = "shifts"
    NOISE = "noise"
    STANDSTILL = "standstills"


SHIFTS = (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0)
"""Shifts of a tag, in its standard deviations."""
FAULTS = (*[InjectedFault.SHIFT] * len(SHIFTS), InjectedFault.NOISE, InjectedFault.STANDSTILL)
NOISE = 3.0
"""Standard deviation of the added noise, in that of the tag's own noise from row to row."""
MAX_TAGS = 16
"""Most tags into which faults are injected, evenly chosen."""


def inject_faults(windows: Floats, std: Floats) -> Floats:
    """Injects each of FAULTS into up to MAX_TAGS tags: float64[fault, tag * window, time, tag].

    windows: float64[window, time, tag]; std: float64[tag].
    """
    steps = np.diff(windows, axis=1, prepend=windows[:, :1])
    noise = np.random.default_rng(0).permuted(steps - steps.mean(axis=1, keepdims=True), axis=1)
    faulty = [windows + shift * std for shift in SHIFTS]
    faulty += [windows + NOISE / np.sqrt(2) * noise, np.broadcast_to(windows[:, :1], windows.shape)]
    return np.stack([_one_at_a_time(windows, every) for every in faulty])


def _one_at_a_time(windows: Floats, faulty: Floats) -> Floats:
    """Copies of the windows, one for each chosen tag, with that tag taken from `faulty`."""
    count = windows.shape[2]
    tags = np.arange(0, count, -(-count // MAX_TAGS))
    chosen = np.arange(count) == tags[:, None, None, None]
    return np.where(chosen, faulty, windows).reshape(-1, *windows.shape[1:])
