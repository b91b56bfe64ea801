"""The same registers read as every type and in every order, to pick from (pure).

Promises
- Values are decoded by the code that reads a line, so what looks right here is right there.
- A value that would need a register beyond those that were read is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.modbus.registers import DataType, Decoder, Encoding, Order, ResponseField

NARROW: tuple[DataType, ...] = ("uint16", "int16", "float16", "bcd16")
WIDE: tuple[DataType, ...] = ("float32", "int32", "uint32")
WIDEST: tuple[DataType, ...] = ("bcd32", "mod10_32", "float64", "int64", "uint64")
ORDERS: tuple[tuple[Order, Order], ...] = (
    ("big", "big"),
    ("little", "big"),
    ("big", "little"),
    ("little", "little"),
)
"""Word order and byte order; the first is what Modbus prescribes."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """One type, starting at one register: a value for each of `ORDERS`, None where there is none.

    For a type of one register the word order has no effect: only the first and third differ.
    """

    address: int
    data_type: DataType
    values: tuple[float | None, ...]


def interpretations(data: bytes, address: int, types: Sequence[DataType]) -> list[Interpretation]:
    """Sorted by address, then by type; `data` holds the registers from `address` on."""
    count = len(data) // 2
    return [
        Interpretation(address + offset, data_type, _values(data, offset, data_type))
        for offset in range(count)
        for data_type in types
        if offset + Encoding(data_type).words <= count
    ]


def _values(data: bytes, offset: int, data_type: DataType) -> tuple[float | None, ...]:
    encodings = (Encoding(data_type, byte_order=byte, word_order=word) for word, byte in ORDERS)
    return tuple(_value(data, ResponseField(0, offset, encoding)) for encoding in encodings)


def _value(data: bytes, field: ResponseField) -> float | None:
    value, quality = Decoder([field]).decode(data)
    return None if quality[0] else float(value[0])
