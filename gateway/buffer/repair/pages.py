"""Reads rows from the bytes of a single database page. Pure.

Neither the schema, the tree above the page nor the page's own header is needed: a row is located by
the shape of its record, and accepted if its CRC matches. The format: sqlite.org/fileformat2.html,
chapters 1.6 and 2.

Promises
- Only rows with a matching CRC are returned, under the number with which they were stored.
- Damage costs the damaged rows only, not their neighbours.
- Deleted rows are not returned. They are zeroed (`secure_delete`); in a rebuilt page they may
  remain, but only before its first cell.
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES
from gateway.buffer.journal_query import JournalRow, journal_checksum
from gateway.buffer.repair.high_water import JOURNAL, Class
from gateway.buffer.repair.wal import PAGE
from gateway.buffer.rows import checksum, row_checksum

PageAt = Callable[[int], bytes]
"""Returns the page of that number, for overflowing records; empty if there is none."""
Value = int | bytes | str | None
Checkpoint = tuple[str, bytes, int]
"""A row of the checkpoint table: name, state, CRC."""

_INT, _LENGTH = rb"[\x01-\x06\x08\x09]", rb"[\x80-\xff]{0,2}[\x00-\x7f]"  # up to 1 MiB


def _shape(*columns: bytes) -> re.Pattern[bytes]:
    """A pattern of the lengths and types that a record begins with.

    It is a lookahead, so that a false match does not hide a record that begins inside of it.
    """
    return re.compile(rb"(?=" + b"".join(columns) + rb")", re.DOTALL)


# The number of a row is the table's key, stored before its record.
_ROW = _shape(rb"[\x06-\x09]\x00", _INT, _INT, _LENGTH, _INT)
_ENTRY = _shape(rb"[\x07-\x0b]\x00", _INT, _INT, _LENGTH, _LENGTH, _INT)
_CHECKPOINT = _shape(rb"[\x04-\x0a]", _LENGTH, _LENGTH, _INT)
_CURSOR = _shape(rb"[\x05-\x08]", _LENGTH, _INT, _INT, _INT)
_NUMBERED: Mapping[str, Class] = {name: kind for kind, name in TABLES.items()} | {JOURNAL: JOURNAL}
_LAST_NUMBER = _shape(rb"\x03[\x0d-\x7f]", _INT, f"(?:{'|'.join(_NUMBERED)})".encode())

_INTERIOR, _ROWS_LEAF = (0x02, 0x05), 0x0D
_INT_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
# The bytes of a record that a page holds before the rest overflows to other pages.
MAX_LOCAL_ROW = PAGE - 35
_MAX_LOCAL_ENTRY = (PAGE - 12) * 64 // 255 - 23
_MIN_LOCAL = (PAGE - 12) * 32 // 255 - 23


@dataclass(slots=True)
class PageContent:
    """The sound content of a page: points, and the other rows as stored in their tables."""

    rows: list[Envelope] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    cursors: list[tuple[str, int, int, int]] = field(default_factory=list)
    journal: list[JournalRow] = field(default_factory=list)

    def add(self, other: "PageContent") -> None:
        """Adds the content of another page."""
        self.rows += other.rows
        self.checkpoints += other.checkpoints
        self.cursors += other.cursors
        self.journal += other.journal


def read(page: bytes, page_at: PageAt) -> PageContent:
    """The sound content of a page."""
    content = PageContent()
    start = _first_cell(page)
    for shape in _ROW.finditer(page, start):
        match record(page, shape.start(), MAX_LOCAL_ROW, page_at):
            case [None, int(at), int(version), bytes(body), int(crc)]:
                seq = _number_before(page, shape.start())
                content.rows += _verified(seq, at, version, body, crc)
    _read_journal(page, start, page_at, content)
    if page[0] != _ROWS_LEAF:
        _read_entries(page, start, page_at, content)
    return content


def _verified(seq: int, at: Nanos, version: int, body: bytes, crc: int) -> list[Envelope]:
    """The row with the class that its CRC matches; empty if it matches none."""
    kinds = [kind for kind in Kind if crc == row_checksum(kind, seq, at, version, body)]
    return [Envelope(kind, at, body, version, seq) for kind in kinds]


def _read_journal(page: bytes, start: int, page_at: PageAt, content: PageContent) -> None:
    for shape in _ENTRY.finditer(page, start):
        match record(page, shape.start(), MAX_LOCAL_ROW, page_at):
            case [None, int(at), int(recorded_at), str(alarm), bytes(body), int(crc)]:
                seq = _number_before(page, shape.start())
                if crc == journal_checksum(seq, at, recorded_at, alarm, body):
                    content.journal.append((seq, at, recorded_at, alarm, body, crc))


def _read_entries(page: bytes, start: int, page_at: PageAt, content: PageContent) -> None:
    for shape in _CHECKPOINT.finditer(page, start):
        match record(page, shape.start(), _MAX_LOCAL_ENTRY, page_at):
            case [str(name), bytes(state), int(crc)] if crc == checksum(name, state):
                content.checkpoints.append((name, state, crc))
    for shape in _CURSOR.finditer(page, start):
        match record(page, shape.start(), _MAX_LOCAL_ENTRY, page_at):
            case [str(sink), int(kind), int(seq), int(crc)] if crc == checksum(sink, kind, seq):
                content.cursors.append((sink, kind, seq, crc))


def last_numbers(page: bytes) -> dict[Class, int]:
    """The last number of each class, if this is the page that stores it; not verified by a CRC."""
    numbers: dict[Class, int] = {}
    for shape in _LAST_NUMBER.finditer(page, _first_cell(page)):
        match record(page, shape.start(), MAX_LOCAL_ROW, lambda _: b""):
            case [str(name), int(seq)] if name in _NUMBERED:
                numbers[_NUMBERED[name]] = seq
    return numbers


def row_count(page: bytes) -> int:
    """The number of rows in the header of a page; 0 if it is not a page of rows."""
    return int.from_bytes(page[3:5]) if page[0] == _ROWS_LEAF else 0


def _first_cell(page: bytes) -> int:
    """The start of the cells: from the header, or the lowest cell pointer if that is less."""
    at = 12 if page[0] in _INTERIOR else 8
    count, start = struct.unpack_from(">HH", page, 3)
    pointers = struct.unpack_from(f">{min(count, (PAGE - at) // 2)}H", page, at)
    return int(min(start, PAGE, *pointers))


def record(page: bytes, at: int, most: int, page_at: PageAt) -> list[Value]:
    """The columns of the record at `at`; empty if there is no record."""
    types, here, end = [], at + 1, at + page[at]
    while here < end <= PAGE:
        column_type, here = varint(page, here)
        types.append(column_type)
    sizes = [_INT_BYTES.get(column_type, (column_type - 12) // 2) for column_type in types]
    if here != end or min(sizes) < 0:
        return []
    record = _whole(page, at, page[at] + sum(sizes), most, page_at)[page[at] :]
    values: list[Value] = []
    for column_type, size in zip(types, sizes, strict=True):
        values.append(_value(column_type, record[:size]))
        record = record[size:]
    return values


def _whole(page: bytes, at: int, size: int, most: int, page_at: PageAt) -> bytes:
    """The bytes of a record with its overflow pages; fewer than `size` if pages are missing."""
    if size <= most:
        return page[at : at + size]
    here = _MIN_LOCAL + (size - _MIN_LOCAL) % (PAGE - 4)
    here = at + (here if here <= most else _MIN_LOCAL)
    parts, left, number = [page[at:here]], size - (here - at), page[here : here + 4]
    while left > 0 and (following := page_at(int.from_bytes(number))):
        parts.append(following[4 : 4 + left])
        left, number = left - (PAGE - 4), following[:4]
    return b"".join(parts)


def _value(column_type: int, content: bytes) -> Value:
    if column_type in _INT_BYTES:
        constant = {0: None, 8: 0, 9: 1}
        return constant.get(column_type, int.from_bytes(content, signed=True))
    return content.decode(errors="replace") if column_type % 2 else content


def _number_before(page: bytes, at: int) -> int:
    """The varint that ends at `at`; all of its bytes but the last have the high bit set."""
    start = at - 1
    while start > 0 and page[start - 1] & 0x80:
        start -= 1
    return varint(page, max(start, 0))[0]


def varint(page: bytes, at: int) -> tuple[int, int]:
    """The varint that begins at `at`, and the position after it."""
    number = 0
    for here, byte in enumerate(page[at : at + 9], at + 1):
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, here
    return number, PAGE
