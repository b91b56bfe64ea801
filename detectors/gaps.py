"""Stacks windows for a model and fills what was not observed; live and in training alike. Pure."""

from collections.abc import Sequence

import numpy as np

from gateway.model import Bools, Floats, Window


def stack(windows: Sequence[Window]) -> tuple[Floats, Bools]:
    """The values float64[window, time, tag], and where they were observed and finite."""
    values = np.stack([window.values for window in windows])
    observed = np.stack([window.observed for window in windows]) & np.isfinite(values)
    return values, observed


def fill(values: Floats, observed: Bools) -> Floats:
    """Each missing cell takes its tag's last observed row before it, or else the first after it.

    Only within the window, so that a window's score depends on nothing else. A tag that was never
    observed in a window stays as it is.
    """
    if observed.all():
        return values
    rows = np.arange(values.shape[1])[None, :, None]
    before = np.maximum.accumulate(np.where(observed, rows, -1), axis=1)
    first = observed.argmax(axis=1)[:, None, :]
    return np.take_along_axis(values, np.where(before < 0, first, before), axis=1)
