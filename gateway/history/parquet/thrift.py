"""Reads and skips values in Thrift's compact protocol, of which Parquet's metadata consists.

Promises
- Time and memory are bounded by the length of the data: nothing is built of what is skipped, no
  size is believed that the rest of the data cannot hold, and nesting is bounded.
- Whatever is not well-formed is `Malformed`.
"""

from collections.abc import Iterator
from typing import Any

_STOP, _TRUE, _FALSE, _BYTE, _I16, I32, _I64, _DOUBLE, BINARY = range(9)
_LIST, _SET, _MAP, STRUCT, _UUID = range(9, 14)
_DEEPEST = 24
_LONGEST_NUMBER = 10
"""Bytes of the longest integer, of 64 bits."""


class Malformed(ValueError):  # noqa: N818 - a state of the data
    """Not well-formed, or nested too deeply."""


class Compact:
    """A position in data of the compact protocol; `structs` counts those that were passed."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at = data, at
        self.structs = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a struct; each is to be read or skipped."""
        self.structs += 1
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            yield number, head & 15

    def value(self, kind: int) -> Any:
        """A number, truth or binary of this type; None for others, which are skipped."""
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, I32, _I64):
            return self._signed()
        if kind == BINARY:
            length = self._unsigned()
            self._pass(length)
            return self._data[self.at - length : self.at]
        self.skip(kind)
        return None

    def items(self, kind: int) -> tuple[int, int]:
        """The type and the number of the elements of a list, which are to be read or skipped."""
        if kind != _LIST:
            raise Malformed("a list is missing")
        return self._items()

    def _items(self) -> tuple[int, int]:
        head = self._byte()
        size = head >> 4 if head >> 4 != 15 else self._unsigned()
        if size > len(self._data) - self.at:
            raise Malformed(f"a list claims {size:,} elements, more than there are bytes")
        return head & 15, size

    def skip(self, kind: int, depth: int = 0) -> None:
        """Passes a value of this type."""
        if depth > _DEEPEST:
            raise Malformed(f"nested more than {_DEEPEST} levels deep")
        if kind in (_TRUE, _FALSE):
            return
        if kind in (_I16, I32, _I64):
            self._unsigned()
        elif kind == BINARY:
            self._pass(self._unsigned())
        elif kind == STRUCT:
            self._skip_struct(depth)
        elif kind in (_LIST, _SET):
            of, size = self._items()
            for _ in range(size):
                self._skip_element(of, depth)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind in _FIXED:
            self._pass(_FIXED[kind])
        else:
            raise Malformed(f"there is no type {kind}")

    def _skip_struct(self, depth: int) -> None:
        for _, kind in self.fields():
            self.skip(kind, depth + 1)

    def _skip_map(self, depth: int) -> None:
        size = self._unsigned()
        if size > len(self._data) - self.at:
            raise Malformed(f"a map claims {size:,} elements, more than there are bytes")
        kinds = self._byte() if size else 0
        for _ in range(size):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 15, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        # As an element a truth has a byte of its own.
        if kind in (_TRUE, _FALSE):
            self._pass(1)
        else:
            self.skip(kind, depth + 1)

    def _pass(self, count: int) -> None:
        if count > len(self._data) - self.at:
            raise Malformed(f"{count:,} bytes are claimed, more than there are")
        self.at += count

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise Malformed("it ends too early")
        self.at += 1
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift >= 7 * _LONGEST_NUMBER:
                raise Malformed("a number is too long")
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


_FIXED = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}
