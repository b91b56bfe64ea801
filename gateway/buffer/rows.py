"""The stored points of one class: one table, its numbers and its bytes.

Every row carries a CRC over all of its columns, because a flipped bit in the file is an error to
SQLite in one case of six only. Columns are cast as they are read: damage may change their type.
"""
# ruff: noqa: S608 - the only thing put into a statement is the name of one of our own tables

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from gateway.buffer.database import TABLES, Damaged
from gateway.model import Envelope, Kind, Nanos

ROW_BYTES = 40
"""What a row costs on disk beside its body (measured: 39 with bodies of 165 bytes)."""
ALL = 2**63 - 1


def checksum(*columns: object) -> int:
    """CRC32 over every column of a row."""
    return zlib.crc32(repr(columns).encode())


def cost(body: bytes) -> int:
    """Bytes that a point is counted with against the limit."""
    return len(body) + ROW_BYTES


@dataclass(slots=True)
class Found:
    """What a read found: sound points, and the numbers of damaged rows before or between them."""

    sound: list[Envelope] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


class Rows:
    """One class's table. Inside the caller's transaction; `measure` again after a rollback."""

    def __init__(self, db: sqlite3.Connection, kind: Kind) -> None:
        self._db, self.kind, self.table = db, kind, TABLES[kind]
        self.next = 1
        self.measure()

    def measure(self) -> None:
        """Count everything anew from the file, never from a counter that a crash may have cut."""
        self.count, self.bytes = self._size(ALL)
        query = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(query, (self.table,)).fetchone()
        self.next = max(self.next, int(last) + 1)

    def _size(self, until: int) -> tuple[int, int]:
        query = f"SELECT COUNT(*), TOTAL(LENGTH(body)) FROM {self.table} WHERE seq <= ?"
        rows, body = self._db.execute(query, (until,)).fetchone()
        return rows, int(body) + rows * ROW_BYTES

    def insert(self, envelopes: Sequence[Envelope]) -> None:
        """Store points of this class under the next numbers."""
        rows = [
            (seq, e.at, e.version, e.body, checksum(int(self.kind), seq, e.at, e.version, e.body))
            for seq, e in enumerate(envelopes, self.next)
        ]
        self._db.executemany(f"INSERT INTO {self.table} VALUES (?, ?, ?, ?, ?)", rows)
        self.next += len(rows)
        self.count += len(rows)
        self.bytes += sum(cost(e.body) for e in envelopes)

    def delete(self, until: int) -> int:
        """Forget the rows up to a number; returns how many there were."""
        rows, size = self._size(until)
        if rows:
            self._db.execute(f"DELETE FROM {self.table} WHERE seq <= ?", (until,))
            self.count -= rows
            self.bytes -= size
        return rows

    def enough(self, excess: int) -> int:
        """The number up to which the oldest rows free `excess` bytes, or a good part of it."""
        query = f"SELECT seq, LENGTH(body) FROM {self.table} ORDER BY seq LIMIT 1000"
        until = 0
        for seq, body in self._db.execute(query).fetchall():
            until, excess = seq, excess - body - ROW_BYTES
            if excess <= 0:
                break
        return until

    def read(self, after: int, skip: AbstractSet[int], limit_rows: int, limit_bytes: int) -> Found:
        """The oldest rows beyond `after` that are not in `skip`; at least one if there is any."""
        found = Found()
        query = (
            f"SELECT seq, CAST(at AS INTEGER), CAST(version AS INTEGER), CAST(body AS BLOB), "
            f"CAST(crc AS INTEGER) FROM {self.table} WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        rows = self._db.execute(query, (after, limit_rows + len(skip))).fetchall()
        for seq, at, version, body, crc in rows:
            if seq in skip:
                continue
            if crc != checksum(int(self.kind), seq, at, version, body):
                found.damaged.append(seq)
                continue
            limit_bytes -= len(body)
            if found.sound and (limit_bytes < 0 or len(found.sound) >= limit_rows):
                break
            found.sound.append(Envelope(self.kind, at, body, version, seq))
        return found

    def numbers(self, after: int) -> Iterator[int]:
        """The numbers of the rows beyond `after`, oldest first."""
        query = f"SELECT seq FROM {self.table} WHERE seq > ? ORDER BY seq"
        return (seq for (seq,) in self._db.execute(query, (after,)))

    def bury(self, numbers: Sequence[int], now: Nanos) -> None:
        """Move damaged rows to the dead letters, under no sink's name."""
        for seq in numbers:
            self._db.execute(
                "INSERT INTO dead_letter (sink, kind, seq, at, body, why, rejected_at) "
                "SELECT '', ?, seq, TOTAL(at), CAST(body AS BLOB), 'damaged on disk', ? "
                f"FROM {self.table} WHERE seq = ?",
                (int(self.kind), now, seq),
            )
            gone = self._db.execute(f"DELETE FROM {self.table} WHERE seq = ?", (seq,))
            if gone.rowcount != 1:
                raise Damaged(f"row {seq} of {self.table} cannot be found by its number")
        self.measure()

    def oldest_at(self) -> Nanos | None:
        """The time of the oldest row."""
        query = f"SELECT CAST(at AS INTEGER) FROM {self.table} ORDER BY seq LIMIT 1"
        row = self._db.execute(query).fetchone()
        return row[0] if row else None
