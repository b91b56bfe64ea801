"""Sentinels: numbers such as -9999 that stand in recorded data for "no value". Pure.

Promises
- Only a number beyond all other values of its tag, and far from them, is a sentinel. A real zero,
  an off state, a saturated sensor and a step to another level are none.
- Well-known sentinels are recognised with fewer repetitions than any other number.
- A number that may be a code, as of a product, or a state, as -1, is doubted, not excluded.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import Bools, Floats

_DIGITS = (999, 9999, 99999, 999999, 9999999, 99999999, 888888, 999.9, 999.99, 9999.9, 9999.99,
           999.25, 99999.9)  # fmt: skip
_BITS = (32766, 32767, 32768, 65534, 65535, 8388607, 16777215, 2147483647, 2147483648,
         4294967295)  # fmt: skip
_SCALES = (1.0, 10.0, 100.0, 1000.0)
"""Raw numbers with all bits set may have been scaled: 6553.5, 327.67."""
_KNOWN = np.unique([*_DIGITS, 255, *(bits / scale for bits in _BITS for scale in _SCALES)])
_HUGE = 1e15
"""Magnitude beyond which no measurement of a plant lies: 1e30, the largest float32."""
_SAME = 1e-6
_STATE = 100.0
"""Magnitude up to which a number that is not well known may be a state or the end of a range."""
FEW = 10
"""Fewest different values of a measurement; with less the tag may be a code or a state."""
REPEATED = 5
"""Fewest repetitions of a number that is not well known."""
FAR = 20.0
"""Distance of such a number, in the largest magnitude and in the range of the other values."""


class Sentinel(NamedTuple):
    """A number that looks like "no value", and how often it occurs."""

    value: float
    repeated: int
    certain: bool
    """Whether to exclude it; otherwise it may be a code, and a person has to say so."""


def sentinels(values: Floats) -> list[Sentinel]:
    """The sentinels among the values of one tag, most frequent first; NaN is missing already."""
    numbers, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    known = is_well_known(numbers)
    found = dict.fromkeys(np.flatnonzero(known & _isolated(numbers, known)).tolist())
    found |= dict.fromkeys(_unknown(numbers, counts, known))
    others = np.delete(numbers, list(found))
    result = [
        Sentinel(float(numbers[at]), int(counts[at]), _is_certain(float(numbers[at]), others))
        for at in found
    ]
    return sorted(result, key=lambda each: -each.repeated)


def is_well_known(numbers: Floats) -> Bools:
    """Which numbers are used as sentinels by loggers, PLCs and file formats."""
    size = np.abs(numbers)
    after = np.searchsorted(_KNOWN, size).clip(1, len(_KNOWN) - 1)
    nearest = np.minimum(np.abs(size - _KNOWN[after - 1]), np.abs(size - _KNOWN[after]))
    return np.asarray((nearest <= _SAME * size) | (size >= _HUGE), dtype=np.bool_)


def _isolated(numbers: Floats, known: Bools) -> Bools:
    """Which numbers lie beyond all that are not well known, by more than the range of those."""
    others = numbers[~known]
    if not len(others):
        return np.zeros(len(numbers), dtype=np.bool_)
    low, high = others[0], others[-1]
    gap = np.maximum(low - numbers, numbers - high)
    return np.asarray(gap > max(high - low, abs(low), abs(high)), dtype=np.bool_)


def _unknown(numbers: Floats, counts: NDArray[np.int64], known: Bools) -> Iterator[int]:
    """Indices of repeated extremes that are very far from the rest, at either end."""
    rest = np.flatnonzero(~known).tolist()
    while len(rest) > FEW:
        ends = [at for at in (rest[0], rest[-1]) if counts[at] >= REPEATED]
        inner = numbers[[at for at in rest if at not in ends]]
        far = [at for at in ends if _is_far(float(numbers[at]), inner)]
        if not far:
            return
        yield from far
        rest = [at for at in rest if at not in far]


def _is_far(number: float, others: Floats) -> bool:
    gap = max(others[0] - number, number - others[-1])
    size = max(abs(others[0]), abs(others[-1]), others[-1] - others[0])
    return bool(gap > FAR * size)


def _is_certain(number: float, others: Floats) -> bool:
    """Whether a number is no code: negative, huge or broken, or of a tag that is a measurement."""
    if abs(number) <= _STATE:
        return False
    may_be_code = 0 < number < _HUGE and number == round(number)
    return not may_be_code or len(others) >= FEW
