"""The progress of each sink through each class of points.

A cursor is the number up to which its sink has finished every row. Rows beyond it that are finished
(acknowledged out of order, or rejected) are remembered until the cursor passes them: rejected ones
survive a restart as dead letters, and requeued ones that a sink must not get again as a checkpoint;
the others are then sent again, which is harmless.
"""

import json
import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from gateway.api.model import Kind
from gateway.buffer.rows import PointTable, checksum


class Cursors:
    """The cursors of all sinks, used inside the caller's transaction; `load` after a rollback."""

    def __init__(self, db: sqlite3.Connection, sinks: Mapping[str, frozenset[Kind]]) -> None:
        self._db, self._sinks = db, sinks
        self.load()

    def load(self) -> None:
        """Loads all cursors from the file."""
        pairs = [(sink, kind) for sink, kinds in self._sinks.items() for kind in kinds]
        self._cursor = {pair: self._load_cursor(*pair) for pair in pairs}
        self._spared = {pair: self._load_spared(*pair) for pair in pairs}
        self._done = {pair: self._load_rejected(*pair) | self._spared[pair] for pair in pairs}

    def _load_cursor(self, sink: str, kind: Kind) -> int:
        query = "SELECT seq, crc FROM cursor WHERE sink = ? AND kind = ?"
        row = self._db.execute(query, (sink, int(kind))).fetchone()
        # With a damaged cursor every stored point is sent again, which is harmless.
        return int(row[0]) if row and row[1] == checksum(sink, int(kind), row[0]) else 0

    def _load_rejected(self, sink: str, kind: Kind) -> set[int]:
        query = "SELECT seq FROM dead_letter WHERE sink = ? AND kind = ? AND seq > ?"
        where = (sink, int(kind), self._cursor[sink, kind])
        return {seq for (seq,) in self._db.execute(query, where)}

    def _load_spared(self, sink: str, kind: Kind) -> set[int]:
        query = "SELECT CAST(state AS BLOB), crc FROM checkpoint WHERE name = ?"
        name = _spared_name(sink, kind)
        row = self._db.execute(query, (name,)).fetchone()
        # If it is damaged the points are sent again, which is harmless.
        numbers = json.loads(row[0]) if row and row[1] == checksum(name, row[0]) else ()
        return {seq for seq in numbers if seq > self._cursor[sink, kind]}

    def spare(self, sink: str, rows: PointTable, numbers: AbstractSet[int]) -> None:
        """Marks new rows that a sink must not get as finished, also after a restart."""
        self._spared[sink, rows.kind] |= numbers
        self.ack(sink, rows, numbers)
        self._save_spared(sink, rows.kind)

    def _save_spared(self, sink: str, kind: Kind) -> None:
        """Stores what is still beyond the cursor."""
        pair = sink, kind
        self._spared[pair] = {seq for seq in self._spared[pair] if seq > self._cursor[pair]}
        name, state = _spared_name(sink, kind), json.dumps(sorted(self._spared[pair])).encode()
        self._db.execute(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)",
            (name, state, checksum(name, state)),
        )

    def cursor(self, sink: str, kind: Kind) -> int:
        """The number up to which the sink has finished every row."""
        return self._cursor[sink, kind]

    def done(self, sink: str, kind: Kind) -> AbstractSet[int]:
        """Numbers beyond the cursor that the sink has finished."""
        return self._done[sink, kind]

    def slowest(self, kind: Kind) -> int:
        """The number up to which every sink of this class has finished every row."""
        return min((seq for (_, k), seq in self._cursor.items() if k == kind), default=0)

    def furthest(self, kind: Kind) -> int:
        """The highest cursor of any sink of this class."""
        return max((seq for (_, k), seq in self._cursor.items() if k == kind), default=0)

    def ack(self, sink: str, rows: PointTable, numbers: AbstractSet[int]) -> None:
        """Marks rows as finished by a sink."""
        self._done[sink, rows.kind] |= numbers
        self._advance(sink, rows)

    def close_gaps(self, rows: PointTable) -> None:
        """Advances cursors that waited for rows which have been deleted."""
        for (sink, kind), done in self._done.items():
            if kind == rows.kind and done:
                self._advance(sink, rows)

    def _advance(self, sink: str, rows: PointTable) -> None:
        """Moves a sink's cursor over the consecutive rows that it has finished."""
        pair = sink, rows.kind
        done, cursor = self._done[pair], self._cursor[pair]
        for seq in rows.numbers(cursor):
            if seq not in done:
                break
            cursor = seq
        self._cursor[pair] = cursor
        self._done[pair] = {seq for seq in done if seq > cursor}
        if self._spared[pair] and min(self._spared[pair]) <= cursor:
            self._save_spared(sink, rows.kind)
        self._db.execute(
            "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)",
            (sink, int(rows.kind), cursor, checksum(sink, int(rows.kind), cursor)),
        )


def _spared_name(sink: str, kind: Kind) -> str:
    return f"#spared.{sink}.{int(kind)}"
