"""The stored points of one class: one table, its numbers and its bytes.

Every row carries a CRC over all of its columns, because a flipped bit in the file is an error to
SQLite in one case of six only. Columns are cast as they are read: damage may change their type.
"""
# ruff: noqa: S608 - the only thing put into a statement is the name of one of our own tables

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES, Damaged

ROW_BYTES = 40
"""What a row costs on disk beside its body (measured: 39 with bodies of 165 bytes)."""
ALL = 2**63 - 1


_SELECT = (
    "SELECT seq, CAST(at AS INTEGER), CAST(version AS INTEGER), CAST(body AS BLOB), "
    "CAST(crc AS INTEGER)"
)


def checksum(*columns: object) -> int:
    """CRC32 over every column of a row."""
    return zlib.crc32(repr(columns).encode())


def row_checksum(kind: Kind, seq: int, at: Nanos, version: int, body: bytes) -> int:
    """What the last column of a row must say."""
    return checksum(int(kind), seq, at, version, body)


def _up_to(spare: AbstractSet[int]) -> str:
    """A condition for the rows up to a number, but for some."""
    return f"seq <= ? AND seq NOT IN ({', '.join('?' * len(spare))})" if spare else "seq <= ?"


def cost(body: bytes) -> int:
    """Bytes that a point is counted with against the limit."""
    return len(body) + ROW_BYTES


@dataclass(slots=True)
class Found:
    """What a read found: sound points, and the numbers of damaged rows before or between them."""

    sound: list[Envelope] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """Some rows of a class: how many, what they cost, and the times they cover."""

    count: int
    bytes: int
    since: Nanos
    until: Nanos


class Rows:
    """One class's table, inside the caller's transaction.

    `measure` at the start and again after a rollback.
    """

    def __init__(self, db: sqlite3.Connection, kind: Kind) -> None:
        self._db, self.kind, self.table = db, kind, TABLES[kind]
        self.next, self.count, self.bytes = 1, 0, 0

    def measure(self) -> None:
        """Count everything anew from the file, never from a counter that a crash may have cut."""
        whole = self.span(ALL)
        self.count, self.bytes = whole.count, whole.bytes
        query = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(query, (self.table,)).fetchone()
        self.next = max(self.next, int(last) + 1)

    def span(self, until: int, spare: AbstractSet[int] = frozenset()) -> Span:
        """The rows up to a number, but for those in `spare`."""
        query = (
            "SELECT COUNT(*), TOTAL(LENGTH(body)), MIN(CAST(at AS INTEGER)), "
            f"MAX(CAST(at AS INTEGER)) FROM {self.table} WHERE {_up_to(spare)}"
        )
        count, body, since, until = self._db.execute(query, (until, *spare)).fetchone()
        return Span(count, int(body) + count * ROW_BYTES, since or 0, until or 0)

    def claim_numbers(self) -> None:
        """Write down how far the numbers have come, where no row says so."""
        query = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(query, (self.table,)).fetchone()
        if int(last) + 1 < self.next:
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (self.table,))
            row = (self.table, self.next - 1)
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", row)

    def insert(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        """Store points of this class under the next numbers; returns them with these."""
        stored = [replace(e, key=seq) for seq, e in enumerate(envelopes, self.next)]
        self.put(stored)
        return stored

    def put(self, envelopes: Sequence[Envelope]) -> None:
        """Store points of this class under the numbers that they carry, in place of what is there.

        What stands there already is not counted off: `measure` afterwards.
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
        """Forget the rows up to a number, but for those in `spare`; returns what they were."""
        gone = self.span(until, spare)
        if gone.count:
            where = (until, *spare)
            self._db.execute(f"DELETE FROM {self.table} WHERE {_up_to(spare)}", where)
            self.count -= gone.count
            self.bytes -= gone.bytes
        return gone

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget these rows."""
        query = f"DELETE FROM {self.table} WHERE seq = ? RETURNING IFNULL(LENGTH(body), 0)"
        for seq in numbers:
            gone = self._db.execute(query, (seq,)).fetchall()
            if len(gone) != 1:
                raise Damaged(f"row {seq} of {self.table} cannot be found by its number")
            self.count -= 1
            self.bytes -= gone[0][0] + ROW_BYTES

    def enough(self, excess: int, spare: AbstractSet[int] = frozenset()) -> int:
        """The number up to which the oldest rows free `excess` bytes, or a good part of it.

        0 when nothing may go.
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

    def older(self, than: Nanos) -> int:
        """The number up to which every row's time is before `than`; 0 if the first one's is not."""
        query = (
            f"SELECT COALESCE((SELECT MIN(seq) FROM {self.table} WHERE at >= ?) - 1, MAX(seq), 0) "
            f"FROM {self.table}"
        )
        return int(self._db.execute(query, (than,)).fetchone()[0])

    def above(self, start: int, at: Nanos) -> int:
        """The first number from `start` on whose time is beyond `at`, or the next one."""
        query = f"SELECT MIN(seq) FROM {self.table} WHERE seq >= ? AND at > ?"
        (found,) = self._db.execute(query, (start, at)).fetchone()
        return self.next if found is None else int(found)

    def first(self) -> int:
        """The lowest number that is stored, or the next one."""
        (found,) = self._db.execute(f"SELECT MIN(seq) FROM {self.table}").fetchone()
        return self.next if found is None else int(found)

    def between(self, low: int, high: int, limit: int = -1) -> Found:
        """Rows with numbers from `low` to `high`, sound and damaged."""
        query = f"{_SELECT} FROM {self.table} WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        return self._sort_out(self._db.execute(query, (low, high, limit)))

    def _sort_out(self, rows: Iterable[tuple[int, int, int, bytes, int]]) -> Found:
        found = Found()
        for seq, at, version, body, crc in rows:
            if crc == row_checksum(self.kind, seq, at, version, body):
                found.sound.append(Envelope(self.kind, at, body, version, seq))
            else:
                found.damaged.append(seq)
        return found

    def read(self, after: int, skip: AbstractSet[int], limit_rows: int, limit_bytes: int) -> Found:
        """The oldest rows beyond `after` that are not in `skip`; at least one if there is any."""
        found = Found()
        query = f"{_SELECT} FROM {self.table} WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (after, limit_rows + len(skip))).fetchall()
        for seq, at, version, body, crc in rows:
            if seq in skip:
                continue
            if crc != row_checksum(self.kind, seq, at, version, body):
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
