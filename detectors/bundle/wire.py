"""Reading of protobuf's wire format, from bytes of unknown origin. Pure.

Promises
- Every read ends: a file has at most `MOST_FIELDS` fields, and a field that reaches beyond its
  message is refused.
- Nothing is copied, and nothing is allocated by a size that the file states.
- A field is recognised by its number and its wire type together, as by every protobuf library: a
  known number in another wire type is an unknown field.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gateway.api.contracts import ModelError

MOST_FIELDS = 1_000_000
"""Fields of one file, without those of long lists of numbers: a few seconds of work at most."""
NOT_PROTOBUF = "the model is not an ONNX file: it is not valid protobuf"
_CHUNK = 4096
_SHORT = 16
"""A shorter list is read one by one; looking for a long one costs as much as so many fields."""

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Value = memoryview | int | Numbers
Field = tuple[int, Value]


def varint(number: int) -> int:
    """Key of a field with this number that holds a whole number."""
    return number << 3


def message(number: int) -> int:
    """Key of a field with this number that holds bytes: a text, a message or packed numbers."""
    return number << 3 | 2


def fixed32(number: int) -> int:
    """Key of a field with this number that holds four bytes."""
    return number << 3 | 5


class Wire:
    """Reads the messages of one file and counts their fields; ModelError if it cannot be read."""

    def __init__(self) -> None:
        self._left = MOST_FIELDS

    def fields(self, data: memoryview, lists: frozenset[int] = frozenset()) -> Iterator[Field]:
        """Yields (key, value) of each field: a whole number as int64, or the bytes.

        `lists` are keys of one byte. Neighbours with such a key come as one value: whole numbers as
        int64[n], floats as their bytes with the keys between them.
        """
        at, size = 0, len(data)
        while at < size:
            self._count(1)
            if data[at] in lists:
                run = self._run(data, at)
                if run is not None:
                    key, value, length = run
                    yield key, value
                    at += length
                    continue
            key, at = _varint(data, at)
            if key >> 32 or not key >> 3:
                raise ModelError(NOT_PROTOBUF)
            if key & 7 == 0:
                number, at = _varint(data, at)
                yield key, number
                continue
            length, at = _length(data, at, key & 7)
            if at + length > size:
                raise _truncated()
            yield key, data[at : at + length]
            at += length

    def _count(self, fields: int) -> None:
        self._left -= fields
        if self._left < 0:
            raise ModelError(
                f"the model has more than {MOST_FIELDS:,} parts: export a smaller model"
            )

    def _run(self, data: memoryview, at: int) -> tuple[int, Value, int] | None:
        """Key, value and length in bytes of the list that begins here; None if it is short."""
        self._count(_SHORT)
        key, chunk = data[at], np.frombuffer(data[at : at + _CHUNK], dtype=np.uint8)
        if key & 7 == 5:
            count = _leading(chunk[: len(chunk) // 5 * 5 : 5] == key)
            return None if count < _SHORT else (key, data[at : at + 5 * count], 5 * count)
        starts, ends = _tokens(chunk)
        pairs = len(ends) // 2
        keys = slice(0, 2 * pairs, 2)
        count = _leading((starts[keys] == ends[keys]) & (chunk[starts[keys]] == key))
        if count < _SHORT:
            return None
        values = slice(1, 2 * count, 2)
        return key, _decoded(chunk, starts[values], ends[values]), int(ends[2 * count - 1]) + 1


def packed(data: memoryview) -> Numbers:
    """Decodes packed whole numbers as int64[n]."""
    return _decoded(np.frombuffer(data, dtype=np.uint8), *_tokens(_whole(data)))


def count_packed(data: memoryview) -> int:
    """Counts packed whole numbers without decoding them."""
    return int(np.count_nonzero(_whole(data) < 0x80))


def _whole(data: memoryview) -> Bytes:
    array = np.frombuffer(data, dtype=np.uint8)
    if len(array) and array[-1] >= 0x80:
        raise _truncated()
    return array


def _tokens(data: Bytes) -> tuple[Numbers, Numbers]:
    """First and last byte int64[n] of each complete varint."""
    ends = np.flatnonzero(data < 0x80)
    return np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: len(ends)], ends


def _decoded(data: Bytes, starts: Numbers, ends: Numbers) -> Numbers:
    numbers = np.zeros(len(starts), dtype=np.uint64)
    longest = int((ends - starts).max(initial=-1)) + 1
    if longest > 10:
        raise ModelError(NOT_PROTOBUF)
    for step in range(longest):
        at = starts + step
        part = (data[np.minimum(at, ends)] & 0x7F).astype(np.uint64) << np.uint64(7 * step)
        numbers |= np.where(at <= ends, part, np.uint64(0))
    return numbers.view(np.int64)


def _leading(true: NDArray[np.bool_]) -> int:
    """Counts the leading True."""
    return len(true) if true.all() else int(true.argmin())


def _length(data: memoryview, at: int, wire: int) -> tuple[int, int]:
    if wire == 2:
        length, at = _varint(data, at)
        if length >= 0:
            return length, at
    elif wire in (1, 5):
        return (8 if wire == 1 else 4), at
    raise ModelError(NOT_PROTOBUF)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A whole number, int64, and the position after it."""
    number = shift = 0
    while shift < 70:
        if at >= len(data):
            raise _truncated()
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            number &= 0xFFFF_FFFF_FFFF_FFFF
            return (number - (1 << 64) if number >> 63 else number), at
    raise ModelError(NOT_PROTOBUF)


def _truncated() -> ModelError:
    return ModelError("the model is not an ONNX file: the file is truncated")
