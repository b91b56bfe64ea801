"""The table of the alarm journal, beside the points and in their transactions.

Promises
- An entry is stored with the alert that it is about, in one transaction.
- Every row has a CRC over all of its columns, as points have. A damaged row is never shown.
- Entries have consecutive numbers, and only the oldest are deleted: those that are past their
  retention, and in need of space those that are not.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.api.model import SECOND, Nanos
from gateway.buffer.journal_query import NAME, JournalRow, journal_checksum
from gateway.buffer.rows import ALL, ROW_BYTES
from gateway.core.alarms.journal import JournalEntry

AT_ONCE = 1_000
"""Rows that are deleted at a time, at most."""
INDEX_BYTES = 80
"""The disk space of an entry in both indexes (measured: 77 bytes with ids of 43 characters)."""


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How long entries are kept, and how many bytes of them."""

    keep: Nanos = 400 * 86_400 * SECOND
    max_bytes: int = 2**28


class _Rows(NamedTuple):
    number: int
    cost: int


class JournalTable:
    """The journal's rows, used inside the caller's transaction. Call `measure` at the start."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.next, self.count, self.bytes = 1, 0, 0

    def measure(self) -> None:
        """Counts rows and bytes in the file."""
        whole = self._span(ALL)
        self.count, self.bytes = whole
        last_number = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(last_number, (NAME,)).fetchone()
        self.next = max(self.next, int(last) + 1)

    def insert(self, entries: Iterable[JournalEntry], now: Nanos) -> None:
        """Stores entries under the next numbers."""
        self.put(
            [
                (seq, e.at, now, e.id, body, journal_checksum(seq, e.at, now, e.id, body))
                for seq, e in enumerate(entries, self.next)
                for body in [e.body()]
            ]
        )

    def put(self, rows: Sequence[JournalRow]) -> None:
        """Stores rows under their own numbers; call `measure` if one of them was there."""
        self._db.executemany("INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.next = max([self.next, *(row[0] + 1 for row in rows)])
        self.count += len(rows)
        self.bytes += sum(cost(len(row[3]), len(row[4])) for row in rows)

    def save_numbers(self) -> None:
        """Stores the last number used, if no row has it."""
        last_number = "SELECT TOTAL(seq) FROM sqlite_sequence WHERE name = ?"
        (last,) = self._db.execute(last_number, (NAME,)).fetchone()
        if int(last) + 1 < self.next:
            self._db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (NAME,))
            row = (NAME, self.next - 1)
            self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", row)

    def expire(self, before: Nanos) -> int:
        """Deletes the oldest entries that were recorded before that time, a bounded number."""
        oldest = "SELECT seq, recorded_at FROM journal ORDER BY seq LIMIT ?"
        until = 0
        for seq, recorded_at in self._db.execute(oldest, (AT_ONCE,)).fetchall():
            if not isinstance(recorded_at, int) or recorded_at >= before:
                break
            until = seq
        return self._delete(until)

    def delete_oldest(self, count: int) -> int:
        """Deletes so many of the oldest entries; returns how many there were."""
        return self._delete(self.first() + count - 1) if count else 0

    def make_room(self, limit: int) -> int:
        """Deletes the oldest entries until their cost is at most `limit`, a bounded number."""
        oldest = "SELECT seq, LENGTH(alarm), LENGTH(body) FROM journal ORDER BY seq LIMIT ?"
        until, excess = 0, self.bytes - limit
        if excess <= 0:
            return 0
        for seq, alarm, body in self._db.execute(oldest, (AT_ONCE,)).fetchall():
            until, excess = seq, excess - cost(alarm, body)
            if excess <= 0:
                break
        return self._delete(until)

    def remove(self, numbers: Iterable[int]) -> None:
        """Deletes damaged rows."""
        for seq in numbers:
            gone = self._span(seq, seq)
            self._db.execute("DELETE FROM journal WHERE seq = ?", (seq,))
            self.count -= gone.number
            self.bytes -= gone.cost

    def _delete(self, until: int) -> int:
        gone = self._span(until)
        if gone.number:
            self._db.execute("DELETE FROM journal WHERE seq <= ?", (until,))
            self.count -= gone.number
            self.bytes -= gone.cost
        return gone.number

    def _span(self, until: int, first: int = 0) -> _Rows:
        totals = (
            "SELECT COUNT(*), TOTAL(LENGTH(alarm)), TOTAL(LENGTH(body)) FROM journal "
            "WHERE seq BETWEEN ? AND ?"
        )
        count, alarm, body = self._db.execute(totals, (first, until)).fetchone()
        return _Rows(count, int(alarm) + int(body) + count * (ROW_BYTES + INDEX_BYTES))

    def first(self) -> int:
        """The lowest stored number, else the next free one."""
        (seq,) = self._db.execute("SELECT MIN(seq) FROM journal").fetchone()
        return self.next if seq is None else int(seq)

    def oldest_recorded_at(self) -> Nanos:
        """When the oldest entry was stored; far in the future if there is none."""
        oldest = "SELECT CAST(recorded_at AS INTEGER) FROM journal ORDER BY seq LIMIT 1"
        row = self._db.execute(oldest).fetchone()
        return int(row[0]) if row else ALL

    def newest_at(self) -> Nanos | None:
        """The time of the newest entry."""
        row = self._db.execute(
            "SELECT CAST(at AS INTEGER) FROM journal ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return row[0] if row else None

    def facts(self) -> dict[str, object]:
        """The number of entries and their bytes, and when the oldest was stored."""
        oldest = self.oldest_recorded_at() if self.count else None
        return {"entries": self.count, "bytes": self.bytes, "oldest_at": oldest}


def cost(alarm: int, body: int) -> int:
    """The bytes of an entry that count towards the limit, by the lengths of its texts."""
    return (alarm or 0) + (body or 0) + ROW_BYTES + INDEX_BYTES
