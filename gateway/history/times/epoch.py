"""Times as numbers: since 1970 in s, ms, µs or ns, or Excel's day numbers.

Promises
- A unit is recognised by the times it gives: from the year 2000 on, and not after 2100. Other
  numbers, such as a row number or a counter, are no times.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import SECOND, Bools, Floats, Nanos, Times
from gateway.history.reading import moment
from gateway.history.times.parse import DAY

Numbers = Floats | NDArray[np.int64]

_MS: Nanos = 1_000_000
_UNITS = {"s": SECOND, "ms": _MS, "µs": 1_000, "ns": 1}
_YEAR_2000: Nanos = 946_684_800 * SECOND
_YEAR_2100: Nanos = 4_102_444_800 * SECOND
_EXCEL = (36_526, 73_050)
"""Day numbers of 2000 and 2100; day 25,569 is 1970-01-01."""
_EXCEL_1970 = 25_569


class Unit(NamedTuple):
    """What numbers count: `name` is a unit since 1970, or 'Excel'."""

    name: str

    def times(self, numbers: Numbers, decimals: int = 15) -> Times:
        """Times in ns; `decimals` is the number of digits that the numbers were written with."""
        if self.name == "Excel":
            return _excel(numbers, decimals)
        factor = _UNITS[self.name]
        if np.issubdtype(numbers.dtype, np.integer):
            return np.asarray(numbers.astype(np.int64) * factor)
        # Whole units separately, so that the fraction keeps its digits.
        whole = np.floor(numbers)
        fraction = np.round((numbers - whole) * factor).astype(np.int64)
        return np.asarray(whole.astype(np.int64) * factor + fraction)

    def is_plausible(self, numbers: Numbers) -> Bools:
        """Which of these numbers give a time between 2000 and 2100."""
        low, high = _EXCEL
        if self.name != "Excel":
            low, high = (limit // _UNITS[self.name] for limit in (_YEAR_2000, _YEAR_2100))
        return np.asarray((numbers >= low) & (numbers < high))


EXCEL = Unit("Excel")


def unit_of(numbers: Numbers) -> Unit | None:
    """The unit in which most of these numbers are times; None if there is none."""
    for unit in (*(Unit(name) for name in _UNITS), EXCEL):
        if unit.is_plausible(numbers).mean() > 0.5:
            return unit
    return None


def described(numbers: Numbers) -> str:
    """What numbers that are no times would mean: 'numbers from 1 to 700, which would be ...'."""
    low, high = float(numbers.min()), float(numbers.max())
    text = f"numbers from {low:.15g} to {high:.15g}"
    if abs(high) >= 2**63 / SECOND or abs(low) >= 2**63 / SECOND:
        return f"{text}, which are no times since 1970"
    first, last = (moment(round(number * SECOND)) for number in (low, high))
    return f"{text}, which would be {first} to {last}"


def _excel(numbers: Numbers, decimals: int) -> Times:
    """Rounded to what the digits of the numbers resolve, at least to milliseconds."""
    resolution = SECOND if decimals < 5 else 10 ** math.ceil(math.log10(DAY / 10**decimals))
    resolution = max(_MS, resolution)
    since = (numbers - _EXCEL_1970) * (DAY / _MS)
    nanos = np.round(since).astype(np.int64) * _MS
    return np.asarray(np.round(nanos / resolution).astype(np.int64) * resolution)
