"""The record of losses, which are reported to the cloud as gap markers.

Promises
- A loss is recorded in the transaction that causes it: no crash can separate the two.
- Losses of one class and reason are one entry until they are reported: evictions with every append
  do not fill the buffer with reports.
- Reporting is one transaction too: the marker is stored and the entry marked, or neither.
- A loss that turns out to be none is taken back: its marker is written again with what is left.
"""
# ruff: noqa: S608 - only constant conditions of this module are put into a statement

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from gateway.api.model import Kind, Loss, Nanos
from gateway.buffer.given_up import IN_DEAD_LETTERS, INTENDED, GivenUp, reason
from gateway.buffer.missing_entries import WHY, MissingEntries

log = structlog.get_logger()

_REPORTED, _DISMISSED = 1, 2
"""Bits of the column `told`: the cloud has the marker; a person has taken note."""
KEPT = 1_000
"""The number of entries kept."""

TABLE = """
CREATE TABLE IF NOT EXISTS loss (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, reason TEXT NOT NULL,
    count INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
    noted_at INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0
)"""


@dataclass(slots=True)
class Lost:
    """Losses since the start: points counted by class and reason, and losses not yet recorded."""

    counted: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    noted: list[Loss] = field(default_factory=list)
    entries: MissingEntries = field(default_factory=MissingEntries)
    """Of the alarm journal."""

    def miss(self, reason: str, count: int, now: Nanos) -> None:
        """Counts entries that are missing from the alarm journal, and logs the first."""
        if self.entries.add(reason, count, now):
            log.error("journal.entries_missing", count=count, why=WHY[reason])


class LossTable:
    """The table of losses, used inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def note(self, losses: Iterable[Loss], now: Nanos) -> None:
        """Adds losses to the unreported entries."""
        for loss in losses:
            known = self._db.execute(
                "UPDATE loss SET count = count + ?, since = MIN(since, ?), until = MAX(until, ?) "
                "WHERE kind = ? AND reason = ? AND told = 0",
                (loss.count, loss.since, loss.until, int(loss.kind), loss.reason),
            )
            if not known.rowcount:
                self._db.execute(
                    "INSERT INTO loss (kind, reason, count, since, until, noted_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (int(loss.kind), loss.reason, loss.count, loss.since, loss.until, now),
                )

    def unreported(self) -> list[Loss]:
        """The losses that are not reported to the cloud yet."""
        return self._read(f"WHERE NOT told & {_REPORTED} ORDER BY id")

    def mark_reported(self, times: Sequence[Nanos]) -> None:
        """Marks the unreported entries, whose markers have these times; deletes old entries."""
        unreported = self._db.execute(
            f"SELECT id FROM loss WHERE NOT told & {_REPORTED} ORDER BY id"
        )
        rows = zip(times, unreported.fetchall(), strict=False)
        self._db.executemany(
            f"UPDATE loss SET told = told | {_REPORTED}, noted_at = ? WHERE id = ?",
            [(at, number) for at, (number,) in rows],
        )
        self._db.execute("DELETE FROM loss WHERE id <= (SELECT MAX(id) FROM loss) - ?", (KEPT,))

    def take_back(
        self, kind: Kind, reason: str, times: Iterable[Nanos]
    ) -> list[tuple[Loss, Nanos]]:
        """Points with these times are no loss after all: fewer in the newest entries about them.

        Returns what is left of the entries whose marker the cloud has, with the marker's time.
        """
        query = (
            "SELECT id, told, CAST(noted_at AS INTEGER), CAST(count AS INTEGER), "
            "CAST(since AS INTEGER), CAST(until AS INTEGER) FROM loss "
            "WHERE kind = ? AND reason = ? AND count > 0 ORDER BY id DESC"
        )
        entries = self._db.execute(query, (int(kind), reason)).fetchall()
        fewer = Counter[int]()
        for at in times:
            for number, _, _, count, since, until in entries:
                if since <= at <= until and fewer[number] < count:
                    fewer[number] += 1
                    break
        self._db.executemany(
            "UPDATE loss SET count = count - ? WHERE id = ?",
            [(count, number) for number, count in fewer.items()],
        )
        self._db.execute(f"DELETE FROM loss WHERE count = 0 AND NOT told & {_REPORTED}")
        return [
            (Loss(kind, reason, count - fewer[number], since, until), noted_at)
            for number, told, noted_at, count, since, until in entries
            if fewer[number] and told & _REPORTED
        ]

    def dismiss(self) -> int:
        """Marks all entries as known to a person; returns how many were not."""
        query = f"UPDATE loss SET told = told | {_DISMISSED} WHERE NOT told & {_DISMISSED}"
        return self._db.execute(query).rowcount

    def given_up(self) -> list[GivenUp]:
        """The losses that no one has taken note of, by class and reason."""
        known = ", ".join(f"'{reason}'" for reason in (*INTENDED, *IN_DEAD_LETTERS))
        rows = self._db.execute(
            "SELECT kind, CAST(reason AS TEXT), TOTAL(count), MIN(CAST(noted_at AS INTEGER)), "
            f"MAX(CAST(noted_at AS INTEGER)) FROM loss WHERE NOT told & {_DISMISSED} "
            f"AND count > 0 AND reason NOT IN ({known}) GROUP BY kind, reason"
        )
        return [
            GivenUp("", Kind(kind), int(count), since, until, reason(why))
            for kind, why, count, since, until in rows
            if kind in set(Kind) and why is not None
        ]

    def newest(self, limit: int) -> list[Loss]:
        """The last entries, newest first."""
        return self._read("ORDER BY id DESC LIMIT ?", limit)

    def _read(self, condition: str, *values: int) -> list[Loss]:
        # Cast, because damage may change a column's type, which must not stop the reporting.
        query = (
            "SELECT kind, CAST(reason AS TEXT), CAST(count AS INTEGER), CAST(since AS INTEGER), "
            f"CAST(until AS INTEGER) FROM loss {condition}"
        )
        rows = self._db.execute(query, values)
        return [
            Loss(Kind(kind), *rest)
            for kind, *rest in rows
            if kind in set(Kind) and None not in rest
        ]
