"""How values are stored in registers, and how a whole response becomes columns (pure).

Promises
- A response is decoded by numpy as a whole: byte order, word order and the choice of bit or byte
  are turned into one index array when the plan is made, so the hot path has no Python per tag.
- No value is invented: NaN, an infinity, a "no value" pattern, a digit above 9 in a decimal type or
  an impossible power of ten comes out as NaN with quality BAD.
- Values are float64. Integers of 64 bits are exact up to 2**53 (9.0e15); beyond that they are
  rounded to the nearest float64. A text is the number it is mapped to (`texts`); `decimals` has the
  types that count in tens, `exponents` the powers of ten that are read beside a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from connectors.modbus.decimals import (
    DECIMAL,
    MOD10_WORDS,
    decimal_digits,
    decimal_pattern,
    decimals,
)
from connectors.modbus.exponents import Exponents
from connectors.modbus.texts import Text
from gateway.api.model import Floats, Indices, Qualities, Quality

DataType = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bcd16", "bcd32", "bcd64",
    "mod10_32", "mod10_48", "mod10_64", "string",
]  # fmt: skip
Order = Literal["big", "little"]

# Little-endian, because the index array brings the bytes into that order whatever the device does.
DTYPES: dict[DataType, np.dtype[np.generic]] = {
    "bool": np.dtype("<u2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "int16": np.dtype("<i2"),
    "uint16": np.dtype("<u2"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "int64": np.dtype("<i8"),
    "uint64": np.dtype("<u8"),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "bcd16": np.dtype("<u2"),
    "bcd32": np.dtype("<u4"),
    "bcd64": np.dtype("<u8"),
    # Several registers of their own, each 0 to 9999.
    "mod10_32": np.dtype("<u2"),
    "mod10_48": np.dtype("<u2"),
    "mod10_64": np.dtype("<u2"),
}
_Scalar = TypeVar("_Scalar", bound=np.generic)
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one value is stored in its registers, and its meaning: `raw * scale + offset`, in units.

    `no_value` holds raw values: for integers the number or the bit pattern (-32768 and 0x8000 are
    the same int16), for floats the number. `length` is the length of a string in registers, and
    `texts` maps its texts to numbers. `scale_register` is the address of an int16 that holds a
    power of ten, by which the value is multiplied as well.
    """

    data_type: DataType = "uint16"
    byte_order: Order = "big"
    word_order: Order = "big"
    bit: int | None = None
    byte: Literal["high", "low"] = "low"
    scale: float = 1.0
    offset: float = 0.0
    no_value: tuple[int | float, ...] = ()
    length: int = 1
    texts: tuple[tuple[str, float], ...] = ()
    scale_register: int | None = None

    @property
    def is_text(self) -> bool:
        return self.data_type == "string"

    @property
    def words(self) -> int:
        """Registers that one value takes."""
        if self.is_text:
            return self.length
        return MOD10_WORDS.get(self.data_type) or max(1, DTYPES[self.data_type].itemsize // 2)

    def byte_offsets(self) -> list[int]:
        """Offsets of its bytes from its first register, least significant byte first."""
        words = range(self.words) if self.word_order == "little" else range(self.words)[::-1]
        low, high = (1, 0) if self.byte_order == "big" else (0, 1)
        offsets = [2 * word + side for word in words for side in (low, high)]
        if DTYPES[self.data_type].itemsize == 1:
            return offsets[:1] if self.byte == "low" else offsets[1:]
        return offsets

    def character_offsets(self) -> list[int]:
        """Offsets of a string's characters, first to last; word order does not change them."""
        sides = (0, 1) if self.byte_order == "big" else (1, 0)
        return [2 * word + side for word in range(self.words) for side in sides]

    def no_value_patterns(self) -> list[int]:
        """`no_value` as the unsigned integers on the wire; ValueError if one does not fit."""
        if self.data_type in DECIMAL:
            return [decimal_pattern(value, self.data_type) for value in self.no_value]
        return [_pattern(value, DTYPES[self.data_type]) for value in self.no_value]

    def no_value_numbers(self) -> list[float]:
        """`no_value` as the raw numbers that these patterns are."""
        if not self.no_value:
            return []
        if self.data_type in DECIMAL:
            limit = 10 ** decimal_digits(self.data_type)
            return [float(value) for value in self.no_value if value < limit]
        dtype = DTYPES[self.data_type]
        wires = [pattern.to_bytes(dtype.itemsize, "little") for pattern in self.no_value_patterns()]
        return [float(np.frombuffer(wire, dtype)[0]) for wire in wires]


def _pattern(value: float, dtype: np.dtype[np.generic]) -> int:
    bits = 8 * dtype.itemsize
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = np.array(value, dtype=dtype)
        if not np.isfinite(number):
            raise ValueError(f"{value} cannot be the raw value of a float of {bits} bits")
        return int.from_bytes(number.tobytes(), "little")
    if value != int(value) or not -(2 ** (bits - 1)) <= value < 2**bits:
        raise ValueError(f"{value} cannot be the raw value of {bits} bits")
    return int(value) % (1 << bits)


@dataclass(frozen=True, slots=True)
class ResponseField:
    """One tag's value in a response, `offset` registers (or bits) after its start."""

    tag: int
    offset: int
    encoding: Encoding
    scale_offset: int | None = None
    """Where the register with its power of ten is."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Adjacent columns of one data type; `shift` where they are bits of registers."""

    columns: slice
    taken: slice
    data_type: DataType
    dtype: np.dtype[np.generic]
    shift: NDArray[np.uint16] | None
    # Column (in the whole response) and pattern of every "no value" of this block.
    no_value: NDArray[np.intp]
    patterns: NDArray[np.unsignedinteger]


class Decoder:
    """Turns the data bytes of one response into columns, in the order of `tag`.

    `are_bits`: the response packs coils or discrete inputs, eight to a byte. The returned arrays
    may be shared between calls and must not be written to.
    """

    def __init__(self, fields: Sequence[ResponseField], *, are_bits: bool = False) -> None:
        numbers = [field for field in fields if not field.encoding.is_text]
        texts = [field for field in fields if field.encoding.is_text]
        # Wide types first keeps every block aligned to its own size.
        numbers.sort(key=lambda f: (-_dtype(f, are_bits).itemsize, f.encoding.data_type))
        order = [*numbers, *texts]
        self.tag: Indices = np.array([field.tag for field in order], dtype=np.int32)
        self._are_bits = are_bits
        self._take = np.array([b for f in numbers for b in _bytes_of(f, are_bits)], dtype=np.intp)
        self._blocks = _blocks(numbers, are_bits)
        self._texts = [_text(field) for field in texts]
        self._encodings = [field.encoding for field in order]
        self._scale = np.array([field.encoding.scale for field in order])
        self._offset = np.array([field.encoding.offset for field in order])
        self._exponents = Exponents(order)
        self._is_scaled = bool((self._scale != 1).any() or (self._offset != 0).any())
        self._is_always_good = not (self._is_scaled or texts or self._exponents) and all(
            _is_plain_integer(field.encoding, are_bits) for field in numbers
        )
        self._all_nan: Floats = _fixed(np.full(len(order), np.nan))
        self._all_good: Qualities = _fixed(np.full(len(order), Quality.GOOD, dtype=np.uint8))
        self._all_bad: Qualities = _fixed(np.full(len(order), Quality.BAD, dtype=np.uint8))

    def decode(self, data: bytes) -> tuple[Floats, Qualities]:
        """The data bytes of a response (its length already checked) -> value, quality."""
        raw = np.frombuffer(data, dtype=np.uint8)
        if self._are_bits:
            raw = np.unpackbits(raw, bitorder="little")
        taken = raw[self._take]
        if self._is_always_good:
            return self._filled(taken)[0], self._all_good
        with np.errstate(all="ignore"):
            value, absent = self._filled(taken)
            for column, text in enumerate(self._texts, start=len(value) - len(self._texts)):
                value[column] = text.number(data)
            if self._exponents:
                self._exponents.apply(raw, value)
            if self._is_scaled:
                value = value * self._scale + self._offset
            good = np.isfinite(value)
        for columns in absent:
            good[columns] = False
        if good.all():
            return value, self._all_good
        value[~good] = np.nan
        return value, np.where(good, self._all_good, self._all_bad)

    def reasons(self, data: bytes, quality: Qualities) -> dict[int, str]:
        """Why the values of these data bytes are not good, by tag."""
        raw = np.frombuffer(data, dtype=np.uint8)
        with np.errstate(all="ignore"):
            number, absent = self._filled(raw[self._take])
        gone = {int(column) for columns in absent for column in columns}
        return {
            int(self.tag[column]): self._reason(column, data, number[column], column in gone)
            for column in np.flatnonzero(quality).tolist()
        }

    def _reason(self, column: int, data: bytes, number: float, is_absent: bool) -> str:
        encoding = self._encodings[column]
        first_text = len(self._encodings) - len(self._texts)
        if column >= first_text:
            text = self._texts[column - first_text]
            return f"the text {text.shown(data)} is not in `enumeration`"
        if is_absent:
            return "the device says that it has no value (`no_value`)"
        if encoding.data_type in DECIMAL and not np.isfinite(number):
            return DECIMAL[encoding.data_type]
        if np.isnan(number):
            return "the device sent NaN, not a number"
        if np.isinf(number):
            return "the device sent an infinity"
        why = self._exponents.reason(column, np.frombuffer(data, dtype=np.uint8))
        return why or "too large for a number after scaling"

    def bad_columns(self) -> tuple[Floats, Qualities]:
        """The columns of a missing response: NaN and BAD throughout."""
        return self._all_nan, self._all_bad

    def _filled(self, taken: NDArray[np.uint8]) -> tuple[Floats, list[NDArray[np.intp]]]:
        """The raw numbers, and the columns that hold a "no value" pattern."""
        value = np.empty(len(self.tag))
        absent: list[NDArray[np.intp]] = []
        for block in self._blocks:
            self._fill(block, taken, value, absent)
        return value, absent

    @staticmethod
    def _fill(
        block: _Block, taken: NDArray[np.uint8], value: Floats, absent: list[NDArray[np.intp]]
    ) -> None:
        column = taken[block.taken].view(block.dtype)
        if block.shift is not None:
            value[block.columns] = (column >> block.shift) & 1
            return
        if block.data_type in DECIMAL:
            value[block.columns], column = decimals(column, block.data_type)
        else:
            value[block.columns] = column
        if len(block.no_value):
            pattern = column.view(block.patterns.dtype)[block.no_value - block.columns.start]
            absent.append(block.no_value[pattern == block.patterns])


def _dtype(field: ResponseField, are_bits: bool) -> np.dtype[np.generic]:
    return DTYPES["uint8"] if are_bits else DTYPES[field.encoding.data_type]


def _is_plain_integer(encoding: Encoding, are_bits: bool) -> bool:
    """Every bit pattern is a value: there is no "no value" pattern."""
    if encoding.no_value or encoding.data_type in DECIMAL:
        return False
    return are_bits or DTYPES[encoding.data_type].kind in "iu"


def _bytes_of(field: ResponseField, are_bits: bool) -> list[int]:
    if are_bits:
        return [field.offset]
    return [2 * field.offset + byte for byte in field.encoding.byte_offsets()]


def _text(field: ResponseField) -> Text:
    offsets = [2 * field.offset + byte for byte in field.encoding.character_offsets()]
    return Text(offsets, field.encoding.texts)


def _fixed(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    array.flags.writeable = False
    return array


def _blocks(order: Sequence[ResponseField], are_bits: bool) -> list[_Block]:
    blocks: list[_Block] = []
    first = taken = 0
    while first < len(order):
        data_type = order[first].encoding.data_type
        members = [f for f in order[first:] if f.encoding.data_type == data_type]
        blocks.append(_block(members, first, taken, are_bits))
        first += len(members)
        taken = blocks[-1].taken.stop
    return blocks


def _block(members: Sequence[ResponseField], first: int, taken: int, are_bits: bool) -> _Block:
    data_type, dtype = members[0].encoding.data_type, _dtype(members[0], are_bits)
    size = len(_bytes_of(members[0], are_bits))
    is_bit = members[0].encoding.data_type == "bool" and not are_bits
    absent = [
        (first + column, pattern)
        for column, field in enumerate(members)
        for pattern in field.encoding.no_value_patterns()
    ]
    return _Block(
        columns=slice(first, first + len(members)),
        taken=slice(taken, taken + len(members) * size),
        data_type=data_type,
        dtype=dtype,
        shift=np.array([f.encoding.bit or 0 for f in members], np.uint16) if is_bit else None,
        no_value=np.array([column for column, _ in absent], dtype=np.intp),
        patterns=np.array(
            [pattern for _, pattern in absent],
            dtype=f"<u{8 if data_type in MOD10_WORDS else dtype.itemsize}",
        ),
    )
