"""Stacks windows for a model and fills what was not observed; live and in training alike. Pure."""

from collections.abc import Sequence

import numpy as np

from gateway.api.model import Bools, Floats, Window

HELD = 3
"""Periods for which a line holds a value where its file says nothing else."""


def stack(windows: Sequence[Window]) -> tuple[Floats, Bools]:
    """The values float64[window, time, tag], and where they were observed and finite."""
    values = np.stack([window.values for window in windows])
    observed = np.stack([window.observed for window in windows]) & np.isfinite(values)
    return values, observed


def hold(values: Floats, observed: Bools) -> Floats:
    """Each missing cell takes its tag's last observed row before it, or else the first after it.

    Only within the window, as in `fill`, but never a value that was not measured: for conditions.
    """
    rows = np.arange(values.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(observed, rows, -1), axis=1)
    first = observed.argmax(axis=1)[:, None, :]
    return np.take_along_axis(values, np.where(before < 0, first, before), axis=1)


def fill(values: Floats, observed: Bools) -> Floats:
    """Each missing cell lies on the line between its tag's rows before and after the gap.

    The rows before a gap that repeat a value are missing too, up to HELD of them: the aligner held
    it there. At an end of the window the nearest row counts. Only within the window, so that its
    score depends on nothing else. A tag that was never observed in a window stays as it is.
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
    """Rows before a gap that say again what the row before them said."""
    again = np.zeros_like(observed)
    again[:, 1:] = observed[:, 1:] & observed[:, :-1] & (values[:, 1:] == values[:, :-1])
    gone = ~observed
    for _ in range(HELD):
        gone[:, :-1] |= gone[:, 1:] & again[:, :-1]
    return gone & observed
