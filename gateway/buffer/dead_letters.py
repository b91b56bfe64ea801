"""Dead letters: points that a sink will never take, and rows that were damaged on disk.

All methods run inside the caller's transaction.
"""
# ruff: noqa: S608 - only table names of this package are put into a statement

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.model import Envelope, Kind, Nanos
from gateway.buffer.database import TABLES
from gateway.buffer.given_up import GivenUp

KEPT = 10_000
"""The number of dead letters kept of each class, newest first: no class displaces another."""
KEPT_CLIPS = 1_000
"""The limit for clips, which come by the thousand."""
DAMAGED = "damaged on disk"
NEWEST = 2**63 - 1
"""A number that no dead letter has: SQLite's greatest."""

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
        for kind in {envelope.kind for envelope in envelopes}:
            limit = KEPT_CLIPS if kind is Kind.CLIP else KEPT
            self._keep(limit, f"kind = {int(kind)}")

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

    def newest(self, limit: int, before: int = NEWEST) -> list[DeadLetter]:
        """The last dead letters with smaller numbers than `before`, newest first."""
        return self._read("WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)

    def take(self, wanted: Sequence[int] | None) -> dict[Envelope, set[str]]:
        """Removes these dead letters, or all; their points with the sinks that rejected them.

        Damaged rows stay.
        """
        chosen = None if wanted is None else frozenset(wanted)
        taken = [
            letter
            for letter in self._read("WHERE sink != '' ORDER BY id")
            if chosen is None or letter.id in chosen
        ]
        self._delete([letter.id for letter in taken])
        # A point that two sinks rejected is returned once.
        points: dict[Envelope, set[str]] = {}
        for letter in taken:
            points.setdefault(Envelope(letter.kind, letter.at, letter.body), set()).add(letter.sink)
        return points

    def discard(self, wanted: Sequence[int] | None) -> int:
        """Deletes these dead letters, or all, damaged rows included; returns their number."""
        chosen = None if wanted is None else frozenset(wanted)
        letters = self._read("ORDER BY id")
        ids = [letter.id for letter in letters if chosen is None or letter.id in chosen]
        self._delete(ids)
        return len(ids)

    def _delete(self, ids: Sequence[int]) -> None:
        self._db.executemany("DELETE FROM dead_letter WHERE id = ?", [(number,) for number in ids])

    def given_up(self) -> list[GivenUp]:
        """The dead letters by sink and class, with the newest reason of each."""
        rows = self._db.execute(
            "SELECT sink, kind, COUNT(*), MIN(CAST(rejected_at AS INTEGER)), "
            "MAX(CAST(rejected_at AS INTEGER)), MAX(id) FROM dead_letter GROUP BY sink, kind"
        ).fetchall()
        return [
            GivenUp(str(sink), Kind(kind), count, since, until, self._why(newest))
            for sink, kind, count, since, until, newest in rows
            if kind in set(Kind)
        ]

    def _why(self, number: int) -> str:
        (why,) = self._db.execute(
            "SELECT CAST(why AS TEXT) FROM dead_letter WHERE id = ?", (number,)
        ).fetchone()
        return str(why)

    def _read(self, condition: str, *values: int) -> list[DeadLetter]:
        query = (
            "SELECT id, sink, kind, CAST(at AS INTEGER), CAST(body AS BLOB), why, rejected_at "
            f"FROM dead_letter {condition}"
        )
        rows = self._db.execute(query, values)
        known = [row for row in rows if row[2] in set(Kind)]
        return [DeadLetter(i, sink, Kind(kind), *rest) for i, sink, kind, *rest in known]
