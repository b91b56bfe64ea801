"""Values that prove themselves: of which tag they are, and when they were true.

A value is `(tag + 1) * 2**20 + tick`, where a tick is a tenth of a second since an epoch that all
processes of a cell are told. So an old value, a neighbour's and an invented one are all found out.
"""

import math

import numpy as np

TAGS = 6
"""Tags of each plant; the last two are those that can be gone after a restart."""
FEWER = 4
TICK_S = 0.1
SLACK_S = 0.8
"""How far the time of a value may be from the time it is said to have: a late answer is further
away than this, because it is given up after a second."""
_TICKS = 2**20


def tick_of(now, epoch):
    """The tick at a time; both in seconds since 1970."""
    return math.floor((now - epoch) / TICK_S)


def value_of(tag, tick):
    return (tag + 1) * _TICKS + tick


def ticks_of(values):
    """float64[n] of true values -> int64[n]."""
    return (values % _TICKS).astype(np.int64)


def are_wrong(tag, at, value, epoch):
    """bool[n]: which of these columns were never true of that tag at that time (ns)."""
    whose = np.floor(value / _TICKS) - 1
    said = at / 1e9 - epoch
    true = (value % _TICKS) * TICK_S
    return (whose != tag) | (np.abs(said - true - TICK_S / 2) > SLACK_S) | (value % 1 != 0)
