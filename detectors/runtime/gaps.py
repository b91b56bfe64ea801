"""Stacking of windows and filling of missing cells, for scoring and training alike. Pure."""

from collections.abc import Sequence

import numpy as np

from gateway.api.model import Bools, Floats, Window

HELD = 3
"""Periods for which a line holds a value by default."""


def stack(windows: Sequence[Window]) -> tuple[Floats, Bools]:
    """Values float64[window, time, tag], and bool of the same shape: observed and finite."""
    values = np.stack([window.values for window in windows])
    observed = np.stack([window.observed for window in windows]) & np.isfinite(values)
    return values, observed


def hold(values: Floats, observed: Bools) -> Floats:
    """Forward-fills missing cells with the tag's last observed row, at the start with its first.

    Stays within the window, as `fill` does, but yields only measured values: for conditions.
    """
    rows = np.arange(values.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(observed, rows, -1), axis=1)
    first = observed.argmax(axis=1)[:, None, :]
    return np.take_along_axis(values, np.where(before < 0, first, before), axis=1)


def fill(values: Floats, observed: Bools) -> Floats:
    """Interpolates missing cells linearly between the tag's rows before and after the gap.

    Up to HELD rows before a gap that repeat a value count as missing too: the aligner held the
    value there. At an end of the window the nearest row is used. Filling stays within the window,
    so that the score depends on nothing else. A tag never observed in a window is left as it is.
    """
    if observed.all():
        return values
    known = observed & ~_held(values, observed)
    length = values.shape[1]
    rows = np.arange(length)[None, :, None]
    before = np.maximum.accumulate(np.where(known, rows, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, rows, length)[:, ::-1], axis=1)[:, ::-1]
    first = np.where(before < 0, np.minimum(after, length - 1), before)
    last = np.where(after == length, first, after)
    share = (rows - first) / np.maximum(last - first, 1)
    low, high = (np.take_along_axis(values, which, axis=1) for which in (first, last))
    return np.where(known, values, low * (1 - share) + high * share)


def _held(values: Floats, observed: Bools) -> Bools:
    """Marks rows before a gap that repeat the value of the row before them."""
    repeated = np.zeros_like(observed)
    repeated[:, 1:] = observed[:, 1:] & observed[:, :-1] & (values[:, 1:] == values[:, :-1])
    missing = ~observed
    for _ in range(HELD):
        missing[:, :-1] |= missing[:, 1:] & repeated[:, :-1]
    return missing & observed
