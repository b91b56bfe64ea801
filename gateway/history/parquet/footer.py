"""The description at the end of a Parquet file, bounded before pyarrow builds objects of it.

Promises
- A footer that is too long, nested too deeply, or describes more columns and row groups than a
  recording has, is refused: a byte of it may cost a hundred bytes of memory.
- So is one whose column chunks would abort the process (chunks.py).
"""

import struct
from io import FileIO
from typing import Any, NamedTuple

from gateway.api.contracts import ConfigError
from gateway.history.extent import MOST_COLUMNS, check_columns
from gateway.history.files import at, size_of
from gateway.history.parquet.chunks import Leaf, Sizes, check_groups, chunk
from gateway.history.parquet.thrift import BINARY, I32, STRUCT, Compact, Malformed
from gateway.history.reading import Notes

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_LONGEST = 16 * 2**20
_MOST_CHUNKS = 200_000
"""Columns of all row groups together; pyarrow needs about 1 kB for each."""
_MOST_STRUCTS = 2_000_000
_SCHEMA, _ROW_GROUPS = 2, 4
_COLUMNS_OF_GROUP = 1
_TYPE, _REPETITION, _NAME, _CHILDREN = 1, 3, 4, 5
_REPEATED = 2
_BYTE_ARRAY = 6
_KINDS = {_TYPE: I32, _REPETITION: I32, _NAME: BINARY, _CHILDREN: I32}
_DEEPEST = 16


class Element(NamedTuple):
    """A node of the tree of columns."""

    name: str
    children: int
    repetition: int
    type: int


Groups = list[tuple[int, dict[int, Sizes]]]
"""Of each row group the number of its chunks, and their size statistics by position."""


class Root(NamedTuple):
    """A column as the user sees it: `leaf` is the number of its first, or only, leaf."""

    name: str
    leaf: int
    is_flat: bool
    """Neither nested nor a list."""


def roots_of(file: FileIO, notes: Notes) -> list[Root]:
    """The columns that the footer describes; ConfigError if it is damaged or too large."""
    try:
        return _read(_footer(file, notes), notes)
    except (Malformed, UnicodeDecodeError) as error:
        raise notes.refuse(f"cannot be read as Parquet: its footer is damaged ({error})") from error


def _footer(file: FileIO, notes: Notes) -> bytes:
    size = size_of(file)
    head, tail = at(file, 0, 4), at(file, max(0, size - 8), 8)
    if _ENCRYPTED in (head, tail[-4:]):
        raise notes.refuse("it is encrypted, and andon has no key: export it without encryption")
    if size < 12 or tail[-4:] != _MAGIC:
        raise notes.refuse(
            "cannot be read as Parquet: it does not end as such a file does, so it is cut off, "
            "or no Parquet"
        )
    (length,) = struct.unpack("<I", tail[:4])
    if length > size - 12:
        raise notes.refuse(
            f"cannot be read as Parquet: its footer claims {length:,} bytes, and the file has "
            f"{size:,}: it is damaged"
        )
    if length > _LONGEST:
        raise notes.refuse(
            f"its footer has {length / 1e6:,.0f} MB, and at most {_LONGEST / 1e6:,.0f} MB are "
            "read: write it with fewer columns, larger row groups or less metadata"
        )
    return at(file, size - 8 - length, length)


def _read(footer: bytes, notes: Notes) -> list[Root]:
    source, groups = Compact(footer), Groups()
    roots, leaves = list[Root](), list[Leaf]()
    for number, kind in source.fields():
        if number == _SCHEMA:
            roots, leaves = _columns(source, kind, notes)
        elif number == _ROW_GROUPS:
            groups += _groups(source, kind, notes)
        else:
            source.skip(kind)
    if not roots:
        raise Malformed("it names no columns")
    check_groups(groups, leaves)
    return roots


def _elements(source: Compact, kind: int) -> int:
    of, count = source.items(kind)
    if of != STRUCT:
        raise Malformed("a list of structures is missing")
    return count


def _groups(source: Compact, kind: int, notes: Notes) -> Groups:
    found, chunks = Groups(), 0
    for _ in range(_elements(source, kind)):
        sizes, count = dict[int, Sizes](), 0
        for number, field in source.fields():
            if number != _COLUMNS_OF_GROUP:
                source.skip(field)
                continue
            sizes, count = {}, _elements(source, field)
            chunks += count
            for position in range(count if chunks <= _MOST_CHUNKS else 0):
                if (own := chunk(source)) is not None:
                    sizes[position] = own
            if chunks > _MOST_CHUNKS or source.structs > _MOST_STRUCTS:
                raise _too_many(notes)
        if source.structs > _MOST_STRUCTS:
            raise _too_many(notes)
        found.append((count, sizes))
    return found


def _too_many(notes: Notes) -> ConfigError:
    return notes.refuse(
        f"its columns and row groups have more than {_MOST_CHUNKS:,} parts: write it with fewer "
        "columns or larger row groups"
    )


def _columns(source: Compact, kind: int, notes: Notes) -> tuple[list[Root], list[Leaf]]:
    count = _elements(source, kind)
    if count > 4 * MOST_COLUMNS:
        check_columns(count - 1, notes)
    elements = [_element(source) for _ in range(count)]
    left = elements[0].children if elements else 0
    roots, leaves, at = list[Root](), 0, 1
    for _ in range(left):
        end, below = _end(elements, at)
        name, children, repetition, _ = elements[at]
        roots.append(Root(name, leaves, not children and repetition != _REPEATED))
        leaves, at = leaves + below, end
    if at != len(elements):
        raise Malformed("the tree of its columns does not end where it should")
    check_columns(leaves, notes)
    return roots, _leaves(elements)


def _leaves(elements: list[Element]) -> list[Leaf]:
    """The columns as they are stored, with their levels."""
    leaves, open_ones = list[Leaf](), [[each.children, 0, 0] for each in elements[:1]]
    for each in elements[1:]:
        while not open_ones[-1][0]:
            open_ones.pop()
        open_ones[-1][0] -= 1
        _, repetition, definition = open_ones[-1]
        repetition += each.repetition == _REPEATED
        definition += each.repetition != 0
        if each.children:
            open_ones.append([each.children, repetition, definition])
        else:
            leaves.append(Leaf(repetition, definition, each.type == _BYTE_ARRAY))
    return leaves


def _element(source: Compact) -> Element:
    found = dict[int, Any]()
    for number, kind in source.fields():
        # pyarrow takes a field of another type for one that is not there.
        if kind != _KINDS.get(number, kind):
            raise Malformed("a column's description has a field of a wrong type")
        found[number] = source.value(kind)
    name, children = found.get(_NAME), int(found.get(_CHILDREN) or 0)
    if not isinstance(name, bytes) or children < 0:
        raise Malformed("a column has no name, or a number of parts that is none")
    if not children and found.get(_TYPE) is None:
        raise Malformed("a column has no type")
    return Element(name.decode(), children, *(int(found.get(n) or 0) for n in (_REPETITION, _TYPE)))


def _end(elements: list[Element], at: int) -> tuple[int, int]:
    """The index behind a column and all that is below it, and the number of its leaves."""
    open_ones, leaves = [1], 0
    while open_ones:
        if at >= len(elements):
            raise Malformed("a column has fewer parts than it claims")
        if len(open_ones) > _DEEPEST:
            raise Malformed(f"a column is nested more than {_DEEPEST} levels deep")
        open_ones[-1] -= 1
        if children := elements[at].children:
            open_ones.append(children)
        else:
            leaves += 1
        at += 1
        while open_ones and not open_ones[-1]:
            open_ones.pop()
    return at, leaves
