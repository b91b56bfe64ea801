"""What can be read out of a damaged database that was set aside.

Promises
- Only what its CRC proves is taken: rows under their old numbers, cursors, checkpoints.
- A page that cannot be read costs what stood on it, not what stands behind it.
- The file itself is only read, and nothing that it holds can raise.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.buffer.rows import Rows, checksum
from gateway.model import Envelope, Kind

_CHUNK = 256
_SEARCHED = 200_000
"""Numbers of a class that are looked for at the most, newest first: some seconds."""


@dataclass(slots=True)
class Salvaged:
    """What was found, all of it sound."""

    rows: dict[Kind, list[Envelope]] = field(default_factory=dict)
    cursors: list[tuple[str, int, int, int]] = field(default_factory=list)
    checkpoints: list[tuple[str, bytes, int]] = field(default_factory=list)


def salvage(aside: Path, ranges: dict[Kind, tuple[int, int]]) -> Salvaged:
    """The sound content of the file; `ranges` are the first and last number of each class."""
    found = Salvaged()
    # With its log if that can be read, else the file alone.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        with contextlib.suppress(sqlite3.Error):
            uri = f"file:{quote(str(aside))}?{how}"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                _read(db, ranges, found)
        if any(found.rows.values()) or found.checkpoints:
            break
    return found


def _read(db: sqlite3.Connection, ranges: dict[Kind, tuple[int, int]], found: Salvaged) -> None:
    """Into `found`, so that what was read before the damage is kept."""
    # A file without a readable schema holds nothing that could be asked for.
    db.execute("SELECT 1 FROM alert LIMIT 0")
    for name, state, crc in _each(db, "SELECT name, CAST(state AS BLOB), crc FROM checkpoint"):
        if crc == checksum(name, state):
            found.checkpoints.append((name, state, crc))
    for sink, kind, seq, crc in _each(db, "SELECT sink, kind, seq, crc FROM cursor"):
        if crc == checksum(sink, kind, seq):
            found.cursors.append((sink, kind, seq, crc))
    for kind, (low, high) in ranges.items():
        found.rows[kind] = list(_rows(db, kind, max(low, high - _SEARCHED), high))


def _each(db: sqlite3.Connection, query: str) -> Iterator[Any]:
    with contextlib.suppress(sqlite3.Error):
        yield from db.execute(query)


def _rows(db: sqlite3.Connection, kind: Kind, low: int, high: int) -> Iterator[Envelope]:
    rows = Rows(db, kind)
    for start in range(low, high + 1, _CHUNK):
        end = min(start + _CHUNK - 1, high)
        try:
            yield from rows.between(start, end).sound
        except sqlite3.Error:
            yield from _one_by_one(rows, start, end)


def _one_by_one(rows: Rows, low: int, high: int) -> Iterator[Envelope]:
    for seq in range(low, high + 1):
        with contextlib.suppress(sqlite3.Error):
            yield from rows.between(seq, seq).sound
