"""How far each sink is, class by class.

A cursor stands before the first row that its sink is not done with. Rows beyond it that are done
(acknowledged out of order, or rejected) are remembered until the cursor passes them: the rejected
ones survive a restart as dead letters, the others are then sent once more, which changes nothing.
"""

import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from gateway.api.model import Kind
from gateway.buffer.rows import Rows, checksum


class Cursors:
    """The cursors of all sinks. Inside the caller's transaction; `load` again after a rollback."""

    def __init__(self, db: sqlite3.Connection, sinks: Mapping[str, frozenset[Kind]]) -> None:
        self._db, self._sinks = db, sinks
        self.load()

    def load(self) -> None:
        """Take up what the file says."""
        pairs = [(sink, kind) for sink, kinds in self._sinks.items() for kind in kinds]
        self._cursor = {pair: self._load_cursor(*pair) for pair in pairs}
        self._done = {pair: self._load_rejected(*pair) for pair in pairs}

    def _load_cursor(self, sink: str, kind: Kind) -> int:
        query = "SELECT seq, crc FROM cursor WHERE sink = ? AND kind = ?"
        row = self._db.execute(query, (sink, int(kind))).fetchone()
        # With a damaged cursor everything that is still here is sent again: harmless.
        return int(row[0]) if row and row[1] == checksum(sink, int(kind), row[0]) else 0

    def _load_rejected(self, sink: str, kind: Kind) -> set[int]:
        query = "SELECT seq FROM dead_letter WHERE sink = ? AND kind = ? AND seq > ?"
        where = (sink, int(kind), self._cursor[sink, kind])
        return {seq for (seq,) in self._db.execute(query, where)}

    def cursor(self, sink: str, kind: Kind) -> int:
        """The sink is done with every row up to this number."""
        return self._cursor[sink, kind]

    def done(self, sink: str, kind: Kind) -> AbstractSet[int]:
        """Numbers beyond the cursor that the sink is done with."""
        return self._done[sink, kind]

    def slowest(self, kind: Kind) -> int:
        """Every sink that accepts this class is done with every row up to this number."""
        return min((seq for (_, k), seq in self._cursor.items() if k == kind), default=0)

    def furthest(self, kind: Kind) -> int:
        """The highest number that any sink is done with."""
        return max((seq for (_, k), seq in self._cursor.items() if k == kind), default=0)

    def settle(self, sink: str, rows: Rows, numbers: AbstractSet[int]) -> None:
        """The sink is done with these rows."""
        self._done[sink, rows.kind] |= numbers
        self._advance(sink, rows)

    def close_gaps(self, rows: Rows) -> None:
        """Rows have gone: a cursor that stood before them may have nothing to wait for any more."""
        for (sink, kind), done in self._done.items():
            if kind == rows.kind and done:
                self._advance(sink, rows)

    def _advance(self, sink: str, rows: Rows) -> None:
        """Move the sink's cursor over the rows that it is done with, without a gap."""
        pair = sink, rows.kind
        done, cursor = self._done[pair], self._cursor[pair]
        for seq in rows.numbers(cursor):
            if seq not in done:
                break
            cursor = seq
        self._cursor[pair] = cursor
        self._done[pair] = {seq for seq in done if seq > cursor}
        self._db.execute(
            "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)",
            (sink, int(rows.kind), cursor, checksum(sink, int(rows.kind), cursor)),
        )
