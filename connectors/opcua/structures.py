"""Decodes structures by the descriptions that their server gave (pure).

Promises
- Descriptions are data: nothing that a server sends is run, and servers do not share them.
- A structure whose bytes do not match its description is unusable, never half a value.
- A structure of a type without a description is unusable with the name of its type, and the type is
  remembered in `wanted`, which holds at most 200.
- The structures of one message have at most 50,000 parts: numbers, texts, members left out. Numbers
  of one array are one part.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from connectors.opcua.bounds import MOST_DIMENSIONS, bounded
from connectors.opcua.selection import StructureValue, Unusable
from gateway.api.visible import SENTENCE, brief

PLAIN, OPTIONAL, UNION = 0, 1, 2
"""OPC UA's StructureType, as far as it is supported."""
MOST_DEPTH = 20
MOST_PARTS, MOST_WANTED, MOST_ID = 50_000, 200, 4_096
"""Parts of all structures of a message, types to be described, characters of a type's id (part 3,
8.2.4)."""
_TOO_MANY = f"the structures of one message have more than {MOST_PARTS:,} parts"
VARIANT = 24


@dataclass(frozen=True, slots=True)
class Member:
    """A member: `type` is a built-in type's number or the id of a structure's type.

    `rank` is the number of its dimensions, 0 for a single value.
    """

    name: str
    type: int | str
    rank: int = 0
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of a structure type in their order on the wire."""

    name: str
    form: int
    members: tuple[Member, ...]


class Structures:
    """The structure types of one server.

    `layouts` holds them by the id of the type, `types` the id of the type by that of its encoding,
    `faults` why a type cannot be decoded, by either id; `wanted` holds encodings that came in a
    value and are not known yet.
    """

    def __init__(self) -> None:
        self.layouts: dict[str, Layout] = {}
        self.types: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.wanted: set[str] = set()
        self._last: tuple[Any, StructureValue | Unusable] | None = None
        self._left = [MOST_PARTS]

    def begin(self) -> None:
        """Another message begins."""
        self._left = [MOST_PARTS]

    def opened(self, raw: Any) -> Any:
        """A value ready for the next step: a structure as its members, any other unchanged."""
        kind = type(raw).__name__
        if kind == "Variant":
            return self.opened(raw.Value)
        if kind != "ExtensionObject":
            return raw
        if raw.TypeId is None or raw.TypeId.is_null():
            return None
        encoding = raw.TypeId.to_string()
        if encoding not in self.types:
            if encoding not in self.faults:
                self._want(encoding)
            raise _unknown(encoding, self.faults.get(encoding, ""))
        # Tags that share a structure ask for it one after another.
        if self._last is None or self._last[0] is not raw:
            self._last = raw, self._read(encoding, raw.Body or b"")
        value = self._last[1]
        if isinstance(value, Unusable):
            raise value
        return value

    def _want(self, encoding: str) -> None:
        if len(self.wanted) < MOST_WANTED and len(encoding) <= MOST_ID:
            self.wanted.add(encoding)

    def _read(self, encoding: str, body: bytes) -> StructureValue | Unusable:
        try:
            return self._decoded(self.types[encoding], body)
        except Unusable as why:
            if self._left[0] < 0:
                return Unusable(_TOO_MANY)
            # The type may have changed with the device's program.
            self._want(encoding)
            return why

    def forget(self, encoding: str) -> None:
        """Drops the description of a type and of its members' types, to be loaded again."""
        left, self._last = [self.types.pop(encoding, "")], None
        while left:
            layout = self.layouts.pop(left.pop(), None)
            members = () if layout is None else layout.members
            left += [each.type for each in members if isinstance(each.type, str)]

    def _decoded(self, type_id: str, body: bytes) -> StructureValue:
        layout, rest = self.layouts.get(type_id), bounded(body, self._left)
        if layout is None:
            raise _unknown(type_id)
        try:
            value = self._structure(type_id, rest, 0)
        except Unusable:
            raise
        except Exception as error:
            # asyncua can fail in any way on bytes that are not what they should be.
            raise _misfit(layout) from error
        if len(rest):
            raise _misfit(layout)
        return value

    def _structure(self, type_id: str, data: Any, depth: int) -> StructureValue:
        layout = self.layouts.get(type_id)
        if layout is None or depth > MOST_DEPTH:
            raise _unknown(type_id, self.faults.get(type_id, "nested too deeply"))
        data.read(0)  # counts as a part, also without members
        members = _present(layout, data)
        values = {each.name: self._member(each, data, depth) for each in members}
        if layout.form == OPTIONAL:
            absent = [each.name for each in layout.members if each.name not in values]
            data.count(len(absent))
            values |= dict.fromkeys(absent)
        return StructureValue(layout.name, values)

    def _member(self, member: Member, data: Any, depth: int) -> Any:
        if not member.rank:
            return self._single(member.type, data, depth)
        if member.rank == 1:
            return self._several(member.type, _length(data), data, depth)
        sizes = [_int32(data) for _ in range(_length(data) or 0)]
        if len(sizes) > MOST_DIMENSIONS:
            raise Unusable(f"a structure's array has more than {MOST_DIMENSIONS} dimensions")
        flat = self._several(member.type, _checked(math.prod(sizes), data), data, depth)
        return _shaped(flat or [], sizes)

    def _several(self, kind: int | str, count: int | None, data: Any, depth: int) -> Any:
        if count is None:
            return None
        numbers = _numbers(kind)
        if numbers is not None:
            return list(numbers.unpack_array(data, count))
        return [self._single(kind, data, depth) for _ in range(count)]

    def _single(self, kind: int | str, data: Any, depth: int) -> Any:
        from asyncua import ua
        from asyncua.ua.ua_binary import unpack_uatype

        if isinstance(kind, str):
            return self._structure(kind, data, depth + 1)
        return unpack_uatype(ua.VariantType(kind), data)


def _unknown(type_id: str, why: str = "") -> Unusable:
    named = f"structure of unknown type {brief(type_id)}"
    return Unusable(f"{named}: {brief(why, SENTENCE)}" if why else named)


def _misfit(layout: Layout) -> Unusable:
    return Unusable(f"structure {brief(layout.name)} does not match its description")


@cache
def _numbers(kind: int | str) -> Any:
    """What reads an array of a type of numbers at once; None for any other type."""
    from asyncua import ua
    from asyncua.ua.ua_binary import Primitives1

    return None if isinstance(kind, str) else getattr(Primitives1, ua.VariantType(kind).name, None)


def _present(layout: Layout, data: Any) -> list[Member]:
    """The members that these bytes hold, by the mask or switch at their beginning."""
    if layout.form == PLAIN:
        return list(layout.members)
    first = int.from_bytes(data.read(4), "little")
    if layout.form == UNION:
        return list(layout.members[first - 1 : first]) if first else []
    optional = [each for each in layout.members if each.is_optional]
    absent = {each.name for bit, each in enumerate(optional) if not first >> bit & 1}
    return [each for each in layout.members if each.name not in absent]


def _int32(data: Any) -> int:
    return int.from_bytes(data.read(4), "little", signed=True)


def _length(data: Any) -> int | None:
    """The length of an array; None for one that is null."""
    count = _int32(data)
    return None if count < 0 else _checked(count, data)


def _checked(count: int, data: Any) -> int:
    # Every element has a byte at least, but for structures without members.
    if not 0 <= count <= max(len(data), 0):
        raise Unusable("a structure's array is longer than the structure")
    return count


def _shaped(flat: list[Any], sizes: list[int]) -> list[Any]:
    """The elements as nested lists; the last dimension varies fastest."""
    for size in reversed(sizes[1:]):
        flat = [flat[at : at + size] for at in range(0, len(flat), size)] if size else []
    return flat
