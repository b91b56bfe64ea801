"""Powers of ten that a device keeps in a register beside the value, as SunSpec's `sunssf` (pure).

Promises
- The power comes from the same response as the value, so both are of one moment.
- A power that is not -10 to 10, or 0x8000 ("not implemented"), makes the value NaN.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import Floats

if TYPE_CHECKING:
    from connectors.modbus.registers import ResponseField

LARGEST = 10
_NOT_IMPLEMENTED = -32768
_POWERS = np.array([10.0**power for power in range(LARGEST + 1)])


class Exponents:
    """The columns of one response that have a power of ten; falsy if there is none."""

    def __init__(self, order: Sequence["ResponseField"]) -> None:
        scaled = [(column, field) for column, field in enumerate(order) if _has_one(field)]
        self._columns = np.array([column for column, _ in scaled], dtype=np.intp)
        self._take = np.array([at for _, field in scaled for at in _bytes_of(field)], np.intp)
        self._registers = {column: field.encoding.scale_register for column, field in scaled}

    def __bool__(self) -> bool:
        return bool(self._registers)

    def apply(self, raw: NDArray[np.uint8], value: Floats) -> None:
        """Multiplies the values of a response by their powers of ten, in place."""
        power = self._of(raw)
        number = value[self._columns]
        # Dividing by 100 is exact where multiplying by 0.01 is not.
        ten = _POWERS[np.minimum(np.abs(power), LARGEST)]
        scaled = np.where(power < 0, number / ten, number * ten)
        value[self._columns] = np.where(np.abs(power) <= LARGEST, scaled, np.nan)

    def reason(self, column: int, raw: NDArray[np.uint8]) -> str:
        """Why a column has no value; empty if its power of ten is right or it has none."""
        if column not in self._registers:
            return ""
        power = int(self._of(raw)[np.flatnonzero(self._columns == column)[0]])
        where = f"the scale register {self._registers[column]}"
        if power == _NOT_IMPLEMENTED:
            return f"{where} holds 0x8000: the device does not implement it"
        return f"{where} holds {power}, not -10 to 10" if abs(power) > LARGEST else ""

    def _of(self, raw: NDArray[np.uint8]) -> NDArray[np.int64]:
        return raw[self._take].view("<i2").astype(np.int64)


def _has_one(field: "ResponseField") -> bool:
    return field.scale_offset is not None


def _bytes_of(field: "ResponseField") -> tuple[int, int]:
    first = 2 * (field.scale_offset or 0)
    low, high = (1, 0) if field.encoding.byte_order == "big" else (0, 1)
    return first + low, first + high
