"""Milliseconds in a column of their own, as some loggers write them beside whole seconds."""

import numpy as np

from gateway.api.model import SECOND, Times
from gateway.history.columns import Columns
from gateway.history.delimited.numbers import numbers_of
from gateway.history.delimited.plain import typed
from gateway.history.reading import Notes

_NAMES = frozenset(("ms", "msec", "msecs", "millis", "millisec", "millisecond", "milliseconds"))
_MS = 1_000_000


def with_milliseconds(
    columns: Columns, times: Times, aside: tuple[int, ...], notes: Notes
) -> tuple[Times, tuple[int, ...]]:
    """The times with the milliseconds of such a column, and the columns that hold them."""
    if (times % SECOND != 0).any():
        return times, aside
    for n, name in enumerate(columns.names):
        if n in aside or name.strip().lower() not in _NAMES:
            continue
        array = columns.arrays[n]
        if columns.is_text(n):
            values = numbers_of({name: array}, columns.numbers, notes)[name].values
        else:
            values = typed(array)
        if values is None or not ((values >= 0) & (values < 1000)).all():
            continue
        notes.say(f"the milliseconds of the times are those of column {name!r}")
        return times + np.round(values * _MS).astype(np.int64), (*aside, n)
    return times, aside
