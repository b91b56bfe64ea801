"""The table of stored points of one class, with its numbers and bytes.

Every row has a CRC over all of its columns, because SQLite detects only one flipped bit in six.
Columns are cast when they are read, because damage may change their type.
"""
# ruff: noqa: S608 - only table names of this package are put into a statement

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES, Damaged

ROW_BYTES = 40
"""The disk space of a row beside its body (measured: 39 bytes with bodies of 165 bytes)."""
ALL = 2**63 - 1


_SELECT = (
    "SELECT seq, CAST(at AS INTEGER), CAST(version AS INTEGER), CAST(body AS BLOB), "
    "CAST(crc AS INTEGER)"
)


def checksum(*columns: object) -> int:
    """The CRC32 over all columns of a row."""
    return zlib.crc32(repr(columns).encode())


def row_checksum(kind: Kind, seq: int, at: Nanos, version: int, body: bytes) -> int:
    """The CRC that the last column of a row must have."""
    return checksum(int(kind), seq, at, version, body)


def _up_to(spare: AbstractSet[int]) -> str:
    """The SQL condition for rows up to a number, except those in `spare`."""
    return f"seq <= ? AND seq NOT IN ({', '.join('?' * len(spare))})" if spare else "seq <= ?"


def cost(body: bytes) -> int:
    """The bytes of a point that count towards the limit."""
    return len(body) + ROW_BYTES


@dataclass(slots=True)
class ReadResult:
    """The result of a read: sound points, and the numbers of damaged rows among them."""

    sound: list[Envelope] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of rows of a class: their number, their cost, and the times they cover."""

    count: int
    bytes: int
    since: Nanos
    until: Nanos


class PointTable:
    """The table of one class, used inside the caller's transaction.

    Call `measure` at the start and after each rollback.
    """

    def __init__(self, db: sqlite3.Connection, kind: Kind) -> None:
        self._db, self.kind, self.table = db, kind, TABLES[kind]
        self.next, self.count, self.bytes = 1, 0, 0

    def measure(self) -> None:
        """Counts rows and bytes in the file, since a stored counter may be wrong after a crash."""
        whole = self.span(ALL)
        self.count, self.bytes = whole.count, whole.bytes
        query = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(query, (self.table,)).fetchone()
        self.next = max(self.next, int(last) + 1)

    def span(self, until: int, spare: AbstractSet[int] = frozenset()) -> Span:
        """The range of rows up to a number, except those in `spare`."""
        query = (
            "SELECT COUNT(*), TOTAL(LENGTH(body)), MIN(CAST(at AS INTEGER)), "
            f"MAX(CAST(at AS INTEGER)) FROM {self.table} WHERE {_up_to(spare)}"
        )
        count, body, since, until = self._db.execute(query, (until, *spare)).fetchone()
        return Span(count, int(body) + count * ROW_BYTES, since or 0, until or 0)

    def save_numbers(self) -> None:
        """Stores the last number used, if no row has it."""
        query = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(query, (self.table,)).fetchone()
        if int(last) + 1 < self.next:
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (self.table,))
            row = (self.table, self.next - 1)
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", row)

    def insert(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        """Stores points of this class under the next numbers; returns them with their numbers."""
        stored = [replace(e, key=seq) for seq, e in enumerate(envelopes, self.next)]
        self.put(stored)
        return stored

    def put(self, envelopes: Sequence[Envelope]) -> None:
        """Stores points of this class under their own numbers, replacing existing rows.

        Replaced rows are still counted: call `measure` afterwards.
        """
        self._db.executemany(
            f"INSERT OR REPLACE INTO {self.table} VALUES (?, ?, ?, ?, ?)",
            [
                (
                    e.key,
                    e.at,
                    e.version,
                    e.body,
                    row_checksum(self.kind, e.key, e.at, e.version, e.body),
                )
                for e in envelopes
            ],
        )
        self.next = max([self.next, *(e.key + 1 for e in envelopes)])
        self.count += len(envelopes)
        self.bytes += sum(cost(e.body) for e in envelopes)

    def delete(self, until: int, spare: AbstractSet[int] = frozenset()) -> Span:
        """Deletes the rows up to a number, except those in `spare`; returns their range."""
        gone = self.span(until, spare)
        if gone.count:
            where = (until, *spare)
            self._db.execute(f"DELETE FROM {self.table} WHERE {_up_to(spare)}", where)
            self.count -= gone.count
            self.bytes -= gone.bytes
        return gone

    def remove(self, numbers: Sequence[int]) -> None:
        """Deletes the rows with these numbers."""
        query = f"DELETE FROM {self.table} WHERE seq = ? RETURNING IFNULL(LENGTH(body), 0)"
        for seq in numbers:
            gone = self._db.execute(query, (seq,)).fetchall()
            if len(gone) != 1:
                raise Damaged(f"row {seq} of {self.table} cannot be found by its number")
            self.count -= 1
            self.bytes -= gone[0][0] + ROW_BYTES

    def up_to_free(self, excess: int, spare: AbstractSet[int] = frozenset()) -> int:
        """The number up to which the oldest rows must be deleted to free `excess` bytes.

        At most 1,000 rows are considered; 0 if none may be deleted.
        """
        query = (
            f"SELECT seq, LENGTH(body) FROM {self.table} WHERE {_up_to(spare)} "
            "ORDER BY seq LIMIT 1000"
        )
        until = 0
        for seq, body in self._db.execute(query, (ALL, *spare)).fetchall():
            until, excess = seq, excess - body - ROW_BYTES
            if excess <= 0:
                break
        return until

    def last_before(self, than: Nanos) -> int:
        """The number up to which the time of every row is before `than`; 0 if there is none."""
        query = (
            f"SELECT COALESCE((SELECT MIN(seq) FROM {self.table} WHERE at >= ?) - 1, MAX(seq), 0) "
            f"FROM {self.table}"
        )
        return int(self._db.execute(query, (than,)).fetchone()[0])

    def first_after(self, start: int, at: Nanos) -> int:
        """The first number from `start` on with a time after `at`, else the next free number."""
        query = f"SELECT MIN(seq) FROM {self.table} WHERE seq >= ? AND at > ?"
        (seq,) = self._db.execute(query, (start, at)).fetchone()
        return self.next if seq is None else int(seq)

    def first(self) -> int:
        """The lowest stored number, else the next free one."""
        (seq,) = self._db.execute(f"SELECT MIN(seq) FROM {self.table}").fetchone()
        return self.next if seq is None else int(seq)

    def between(self, low: int, high: int, limit: int = -1) -> ReadResult:
        """The rows with numbers from `low` to `high`, sound and damaged ones."""
        query = f"{_SELECT} FROM {self.table} WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        return self._verified(self._db.execute(query, (low, high, limit)))

    def _verified(self, rows: Iterable[tuple[int, int, int, bytes, int]]) -> ReadResult:
        result = ReadResult()
        for seq, at, version, body, crc in rows:
            if crc == row_checksum(self.kind, seq, at, version, body):
                result.sound.append(Envelope(self.kind, at, body, version, seq))
            else:
                result.damaged.append(seq)
        return result

    def read(
        self, after: int, skip: AbstractSet[int], limit_rows: int, limit_bytes: int
    ) -> ReadResult:
        """The oldest rows after `after` that are not in `skip`; at least one if there is any."""
        result = ReadResult()
        query = f"{_SELECT} FROM {self.table} WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (after, limit_rows + len(skip))).fetchall()
        for seq, at, version, body, crc in rows:
            if seq in skip:
                continue
            if crc != row_checksum(self.kind, seq, at, version, body):
                result.damaged.append(seq)
                continue
            limit_bytes -= len(body)
            if result.sound and (limit_bytes < 0 or len(result.sound) >= limit_rows):
                break
            result.sound.append(Envelope(self.kind, at, body, version, seq))
        return result

    def numbers(self, after: int) -> Iterator[int]:
        """The numbers of the rows after `after`, oldest first."""
        query = f"SELECT seq FROM {self.table} WHERE seq > ? ORDER BY seq"
        return (seq for (seq,) in self._db.execute(query, (after,)))

    def oldest_at(self) -> Nanos | None:
        """The time of the oldest row."""
        return self._end_at("ASC")

    def newest_at(self) -> Nanos | None:
        """The time of the newest row."""
        return self._end_at("DESC")

    def _end_at(self, order: str) -> Nanos | None:
        query = f"SELECT CAST(at AS INTEGER) FROM {self.table} ORDER BY seq {order} LIMIT 1"
        row = self._db.execute(query).fetchone()
        return row[0] if row else None
