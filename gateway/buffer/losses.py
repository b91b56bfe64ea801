"""The journal of losses, which are reported to the cloud as gap markers.

Promises
- A loss is journalled in the transaction that causes it: no crash can separate the two.
- Losses of one class and reason are one entry until they are reported: evictions with every append
  do not fill the buffer with reports.
- Reporting is one transaction too: the marker is stored and the entry marked, or neither.
"""
# ruff: noqa: S608 - only constant conditions of this module are put into a statement

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.api.model import Kind, Loss, Nanos

KEPT = 1_000
"""The number of journal entries kept."""

TABLE = """
CREATE TABLE IF NOT EXISTS loss (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, reason TEXT NOT NULL,
    count INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
    noted_at INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0
)"""


@dataclass(slots=True)
class Lost:
    """Losses since the start, counted by class and reason, and losses not yet journalled."""

    counted: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    noted: list[Loss] = field(default_factory=list)


class Journal:
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
        return self._read("WHERE told = 0 ORDER BY id")

    def mark_reported(self) -> None:
        """Marks all entries as reported, and deletes all but the newest `KEPT`."""
        self._db.execute("UPDATE loss SET told = 1 WHERE told = 0")
        self._db.execute("DELETE FROM loss WHERE id <= (SELECT MAX(id) FROM loss) - ?", (KEPT,))

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
