"""Dead letters: points that a sink will never take, and rows that were damaged on disk.

All methods run inside the caller's transaction.
"""
# ruff: noqa: S608 - only table names of this package are put into a statement

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES

KEPT = 10_000
"""The number of dead letters kept, newest first."""
KEPT_CLIPS = 1_000
"""The limit for clips, which come by the thousand and must not displace alerts."""
DAMAGED = "damaged on disk"

_INSERT = "INSERT INTO dead_letter (sink, kind, seq, at, body, why, rejected_at) "


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected point with the sink's reason; `sink` is empty for a damaged row."""

    id: int
    sink: str
    kind: Kind
    at: Nanos
    body: bytes
    why: str
    rejected_at: Nanos


class DeadLetters:
    """The table of dead letters."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, sink: str, envelopes: Sequence[Envelope], why: str, now: Nanos) -> None:
        """Adds points that a sink will never take, with its reason."""
        self._db.executemany(
            f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(sink, int(e.kind), e.key, e.at, e.body, why, now) for e in envelopes],
        )
        self._keep(KEPT_CLIPS, f"kind = {int(Kind.CLIP)}")
        self._keep(KEPT, "TRUE")

    def _keep(self, count: int, which: str) -> None:
        oldest = f"SELECT id FROM dead_letter WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET ?"
        self._db.execute(f"DELETE FROM dead_letter WHERE {which} AND id <= ({oldest})", (count,))

    def add_damaged(self, kind: Kind, numbers: Sequence[int], now: Nanos) -> None:
        """Adds the content of damaged rows, without a sink."""
        self._db.executemany(
            f"{_INSERT} SELECT '', ?, seq, TOTAL(at), CAST(body AS BLOB), ?, ? "
            f"FROM {TABLES[kind]} WHERE seq = ?",
            [(int(kind), DAMAGED, now, seq) for seq in numbers],
        )

    def count(self) -> int:
        """The number of dead letters of all sinks."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM dead_letter").fetchone()
        return int(count)

    def newest(self, limit: int) -> list[DeadLetter]:
        """The last dead letters, newest first."""
        return self._read("ORDER BY id DESC LIMIT ?", limit)

    def take(self, wanted: Sequence[int] | None) -> list[Envelope]:
        """Removes these dead letters, or all, and returns their points; damaged rows stay."""
        taken = [
            letter
            for letter in self._read("WHERE sink != '' ORDER BY id LIMIT ?", KEPT)
            if wanted is None or letter.id in wanted
        ]
        ids = [(letter.id,) for letter in taken]
        self._db.executemany("DELETE FROM dead_letter WHERE id = ?", ids)
        # A point that two sinks rejected is returned once.
        return [Envelope(*key) for key in dict.fromkeys((e.kind, e.at, e.body) for e in taken)]

    def _read(self, condition: str, limit: int) -> list[DeadLetter]:
        query = (
            "SELECT id, sink, kind, CAST(at AS INTEGER), CAST(body AS BLOB), why, rejected_at "
            f"FROM dead_letter {condition}"
        )
        rows = self._db.execute(query, (limit,))
        known = [row for row in rows if row[2] in set(Kind)]
        return [DeadLetter(i, sink, Kind(kind), *rest) for i, sink, kind, *rest in known]
