"""Types that count in tens: BCD, and registers that hold four decimal digits each (pure).

Promises
- A digit above 9, or a register above 9999, makes the value NaN: it is another type than was
  thought, or damaged.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import Floats

MOD10_WORDS: Mapping[str, int] = {"mod10_32": 2, "mod10_48": 3, "mod10_64": 4}
"""Registers of the mod10 types: each holds 0 to 9999."""
BCD_DIGITS: Mapping[str, int] = {"bcd16": 4, "bcd32": 8, "bcd64": 16}
DECIMAL: Mapping[str, str] = {
    **dict.fromkeys(BCD_DIGITS, "not a BCD number: a digit is above 9"),
    **dict.fromkeys(MOD10_WORDS, "not a mod10 number: a register is above 9999"),
}
"""Why a value of each of these types may be bad."""


def decimals(column: NDArray[Any], data_type: str) -> tuple[Floats, NDArray[np.unsignedinteger]]:
    """Raw registers -> the numbers, NaN where there is none, and the bits of each value.

    For mod10 `column` holds a value's registers one after the other, the least significant first.
    """
    if data_type in BCD_DIGITS:
        return _bcd(column, BCD_DIGITS[data_type]), column
    registers = column.reshape(-1, MOD10_WORDS[data_type]).astype(np.uint64)
    powers = np.arange(registers.shape[1], dtype=np.uint64)
    number = (registers * np.uint64(10) ** (np.uint64(4) * powers)).sum(axis=1)
    bits = (registers << (np.uint64(16) * powers)).sum(axis=1, dtype=np.uint64)
    is_right = (registers <= 9999).all(axis=1)
    return np.where(is_right, number.astype(np.float64), np.nan), bits


def decimal_pattern(value: float, data_type: str) -> int:
    """A "no value" as the bits on the wire: a number that the type can hold, else a bit pattern."""
    digits = decimal_digits(data_type)
    bits = 4 * digits
    if value != int(value) or not 0 <= value < 2**bits:
        raise ValueError(f"{value} cannot be the raw value of {bits} bits")
    if value >= 10**digits:
        return int(value)
    if data_type in BCD_DIGITS:
        return int(str(int(value)), 16)
    return sum(int(value) // 10**at % 10**4 << 4 * at for at in range(0, digits, 4))


def decimal_digits(data_type: str) -> int:
    """How many digits a value has, each of which takes four bits."""
    return BCD_DIGITS.get(data_type) or 4 * MOD10_WORDS[data_type]


def _bcd(column: NDArray[Any], digits: int) -> Floats:
    number = np.zeros(len(column), dtype=np.uint64)
    is_right = np.ones(len(column), dtype=bool)
    for at in reversed(range(digits)):
        digit = (column >> column.dtype.type(4 * at)) & column.dtype.type(15)
        is_right &= digit <= 9
        number = number * np.uint64(10) + digit.astype(np.uint64)
    return np.where(is_right, number.astype(np.float64), np.nan)
