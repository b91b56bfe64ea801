"""What stands on one page of the database, read from its bytes. Pure.

Neither the schema nor the tree above the page is needed, nor the page's own header: a row is found
by the shape of its record, and is one if its CRC says so. The format: sqlite.org/fileformat2.html,
chapters 1.6 and 2.

Promises
- Only what its CRC proves is found, under the number that it was stored with.
- What is damaged costs itself, and nothing beside it.
- Deleted rows are not found. They are zeroed (`secure_delete`); where a page was rebuilt they may
  be left, but then before its first cell.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES
from gateway.buffer.repair.wal import PAGE
from gateway.buffer.rows import checksum, row_checksum

PageAt = Callable[[int], bytes]
"""The page of that number, for what did not fit on one page; empty if there is none."""
Value = int | bytes | str | None
Checkpoint = tuple[str, bytes, int]
"""A row of its table: name, state, CRC."""

_INT, _LENGTH = rb"[\x01-\x06\x08\x09]", rb"[\x80-\xff]{0,2}[\x00-\x7f]"  # up to 1 MiB


def _shape(*columns: bytes) -> re.Pattern[bytes]:
    """The lengths and types that a record begins with.

    Looked ahead for: what only looks like a record must not hide one that begins inside of it.
    """
    return re.compile(rb"(?=" + b"".join(columns) + rb")", re.DOTALL)


# The number of a row stands before its record, as the table's key.
_ROW = _shape(rb"[\x06-\x09]\x00", _INT, _INT, _LENGTH, _INT)
_CHECKPOINT = _shape(rb"[\x04-\x0a]", _LENGTH, _LENGTH, _INT)
_CURSOR = _shape(rb"[\x05-\x08]", _LENGTH, _INT, _INT, _INT)
_LAST_NUMBER = _shape(rb"\x03[\x0d-\x7f]", _INT, f"(?:{'|'.join(TABLES.values())})".encode())

_INTERIOR, _ROWS_LEAF = (0x02, 0x05), 0x0D
_INT_BYTES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
_MOST_OF_A_ROW = PAGE - 35
_MOST_OF_AN_ENTRY = (PAGE - 12) * 64 // 255 - 23
_LEAST = (PAGE - 12) * 32 // 255 - 23


@dataclass(slots=True)
class Found:
    """What a page holds: rows, and checkpoints and cursors as their tables have them."""

    rows: list[Envelope] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    cursors: list[tuple[str, int, int, int]] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """What another page holds, too."""
        self.rows += other.rows
        self.checkpoints += other.checkpoints
        self.cursors += other.cursors


def read(page: bytes, page_at: PageAt) -> Found:
    """Everything sound on this page."""
    found = Found()
    start = _first_cell(page)
    for shape in _ROW.finditer(page, start):
        match _record(page, shape.start(), _MOST_OF_A_ROW, page_at):
            case [None, int(at), int(version), bytes(body), int(crc)]:
                seq = _number_before(page, shape.start())
                found.rows += _proven(seq, at, version, body, crc)
    if page[0] != _ROWS_LEAF:
        _read_entries(page, start, page_at, found)
    return found


def _proven(seq: int, at: Nanos, version: int, body: bytes, crc: int) -> list[Envelope]:
    """The row, of the class whose CRC it has; nothing if there is none."""
    kinds = [kind for kind in Kind if crc == row_checksum(kind, seq, at, version, body)]
    return [Envelope(kind, at, body, version, seq) for kind in kinds]


def _read_entries(page: bytes, start: int, page_at: PageAt, found: Found) -> None:
    for shape in _CHECKPOINT.finditer(page, start):
        match _record(page, shape.start(), _MOST_OF_AN_ENTRY, page_at):
            case [str(name), bytes(state), int(crc)] if crc == checksum(name, state):
                found.checkpoints.append((name, state, crc))
    for shape in _CURSOR.finditer(page, start):
        match _record(page, shape.start(), _MOST_OF_AN_ENTRY, page_at):
            case [str(sink), int(kind), int(seq), int(crc)] if crc == checksum(sink, kind, seq):
                found.cursors.append((sink, kind, seq, crc))


def last_numbers(page: bytes) -> dict[Kind, int]:
    """How far the numbers of each class have come, if this is the page that says it; unproven."""
    found: dict[Kind, int] = {}
    for shape in _LAST_NUMBER.finditer(page, _first_cell(page)):
        match _record(page, shape.start(), _MOST_OF_A_ROW, lambda _: b""):
            case [str(name), int(seq)]:
                found |= {kind: seq for kind, table in TABLES.items() if table == name}
    return found


def how_many(page: bytes) -> int:
    """The rows that this page says that it has, 0 if it is not one of rows."""
    return int.from_bytes(page[3:5]) if page[0] == _ROWS_LEAF else 0


def _first_cell(page: bytes) -> int:
    """Where the cells begin: what the header says, or the first pointer to one if that is less."""
    at = 12 if page[0] in _INTERIOR else 8
    count, start = struct.unpack_from(">HH", page, 3)
    pointers = struct.unpack_from(f">{min(count, (PAGE - at) // 2)}H", page, at)
    return int(min(start, PAGE, *pointers))


def _record(page: bytes, at: int, most: int, page_at: PageAt) -> list[Value]:
    """The columns of the record that begins here; nothing if it is none."""
    types, here, end = [], at + 1, at + page[at]
    while here < end <= PAGE:
        found, here = _varint(page, here)
        types.append(found)
    sizes = [_INT_BYTES.get(found, (found - 12) // 2) for found in types]
    if here != end or min(sizes) < 0:
        return []
    record = _whole(page, at, page[at] + sum(sizes), most, page_at)[page[at] :]
    values: list[Value] = []
    for found, size in zip(types, sizes, strict=True):
        values.append(_value(found, record[:size]))
        record = record[size:]
    return values


def _whole(page: bytes, at: int, size: int, most: int, page_at: PageAt) -> bytes:
    """The bytes of a record, as many as there are, with those that are on other pages."""
    if size <= most:
        return page[at : at + size]
    here = _LEAST + (size - _LEAST) % (PAGE - 4)
    here = at + (here if here <= most else _LEAST)
    parts, left, number = [page[at:here]], size - (here - at), page[here : here + 4]
    while left > 0 and (following := page_at(int.from_bytes(number))):
        parts.append(following[4 : 4 + left])
        left, number = left - (PAGE - 4), following[:4]
    return b"".join(parts)


def _value(found: int, content: bytes) -> Value:
    if found in _INT_BYTES:
        constant = {0: None, 8: 0, 9: 1}
        return constant.get(found, int.from_bytes(content, signed=True))
    return content.decode(errors="replace") if found % 2 else content


def _number_before(page: bytes, at: int) -> int:
    """The number that ends here; each of its bytes but the last has its high bit set."""
    start = at - 1
    while start > 0 and page[start - 1] & 0x80:
        start -= 1
    return _varint(page, max(start, 0))[0]


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """The number that begins here, and where it ends."""
    number = 0
    for here, byte in enumerate(page[at : at + 9], at + 1):
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, here
    return number, PAGE
