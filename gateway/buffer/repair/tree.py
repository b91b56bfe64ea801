"""Reads the rows of one table by its tree, without SQLite and so without writing. Pure.

SQLite itself makes and deletes a WAL even where it opens a database for reading only. The format:
sqlite.org/fileformat2.html, chapters 1.6 and 2.

Promises
- A page that is no part of a sound tree is Damaged: it is neither guessed nor followed for ever.
"""

import struct
from collections.abc import Iterator

from gateway.buffer.database import Damaged
from gateway.buffer.repair.pages import MAX_LOCAL_ROW, PageAt, Value, record, varint

_INTERIOR, _LEAF = 0x05, 0x0D
_DEEPEST = 12
"""A tree of so many levels would hold more rows than there are numbers."""
_SCHEMA = 1
_USER_VERSION = 60


def user_version(page_at: PageAt) -> int:
    """The format of the file."""
    return int.from_bytes(page_at(_SCHEMA)[_USER_VERSION : _USER_VERSION + 4])


def root_of(table: str, page_at: PageAt) -> int:
    """The first page of a table; 0 if there is no such table."""
    for _, columns in rows_backwards(_SCHEMA, page_at):
        match columns:
            case ["table", str(name), _, int(root), _] if name == table:
                return root
    return 0


def rows_backwards(
    number: int, page_at: PageAt, depth: int = 0
) -> Iterator[tuple[int, list[Value]]]:
    """The rows below a page, those with the highest numbers first: number and columns."""
    page = page_at(number)
    head = 100 if number == _SCHEMA else 0
    kind = page[head] if len(page) > head else 0
    if kind not in (_INTERIOR, _LEAF) or depth > _DEEPEST:
        raise Damaged(f"page {number} is no part of the table")
    cells = _cells(page, head, kind)
    if kind == _LEAF:
        yield from (_row(page, at, page_at) for at in reversed(cells))
        return
    last = int.from_bytes(page[head + 8 : head + 12])
    children = [int.from_bytes(page[at : at + 4]) for at in cells]
    for child in (last, *reversed(children)):
        yield from rows_backwards(child, page_at, depth + 1)


def _cells(page: bytes, head: int, kind: int) -> list[int]:
    """Where the cells of a page begin."""
    (count,) = struct.unpack_from(">H", page, head + 3)
    start = head + (12 if kind == _INTERIOR else 8)
    if start + 2 * count > len(page):
        raise Damaged("a page has more cells than fit")
    cells = list(struct.unpack_from(f">{count}H", page, start))
    if any(at + 4 > len(page) for at in cells):
        raise Damaged("a cell lies beyond its page")
    return cells


def _row(page: bytes, at: int, page_at: PageAt) -> tuple[int, list[Value]]:
    _, at = varint(page, at)
    number, at = varint(page, at)
    return number, record(page, at, MAX_LOCAL_ROW, page_at) if at < len(page) else []
