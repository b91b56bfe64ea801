"""The same registers read as every type and in every order, so that somebody can pick (pure).

Promises
- Values are decoded by the very code that reads a line, so what looks right here is right there.
- A value that would need a register beyond those that were read is left out, not guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.modbus.registers import DataType, Decoder, Encoding, Order, Place

NARROW: tuple[DataType, ...] = ("uint16", "int16", "float16")
WIDE: tuple[DataType, ...] = ("float32", "int32", "uint32")
WIDEST: tuple[DataType, ...] = ("float64", "int64", "uint64")
ORDERS: tuple[tuple[Order, Order], ...] = (
    ("big", "big"),
    ("little", "big"),
    ("big", "little"),
    ("little", "little"),
)
"""Word order and byte order; the first is what Modbus prescribes."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One type from one register on: a value for each of `ORDERS`, None where there is none.

    For a type of one register the word order means nothing: only the first and third differ.
    """

    address: int
    data_type: DataType
    values: tuple[float | None, ...]


def guesses(data: bytes, address: int, types: Sequence[DataType]) -> list[Guess]:
    """By address, then by type; `data` are the registers from `address` on."""
    count = len(data) // 2
    return [
        Guess(address + at, data_type, _values(data, at, data_type))
        for at in range(count)
        for data_type in types
        if at + Encoding(data_type).words <= count
    ]


def _values(data: bytes, at: int, data_type: DataType) -> tuple[float | None, ...]:
    return tuple(
        _value(data, Place(0, at, Encoding(data_type, byte_order=byte, word_order=word)))
        for word, byte in ORDERS
    )


def _value(data: bytes, place: Place) -> float | None:
    value, quality = Decoder([place]).decode(data)
    return None if quality[0] else float(value[0])
