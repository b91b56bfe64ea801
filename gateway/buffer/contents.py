"""The opened database file: its tables, and the transactions that change them.

Promises
- A transaction keeps all of its changes or none; counters in memory are rolled back with it.
- Losses of a transaction are recorded in it, and counted once it is committed.
- High-water marks never claim a row that was not durable, or that a commit may have deleted.
- Nothing is committed to a file that is not in its place any more: Misplaced, and no effect.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.api.model import Kind, Loss, Nanos
from gateway.buffer.ballast import Ballast
from gateway.buffer.cursors import Cursors
from gateway.buffer.dead_letters import DeadLetters
from gateway.buffer.given_up import GivenUp
from gateway.buffer.handling import PointHandling
from gateway.buffer.journal import JournalTable
from gateway.buffer.losses import LossTable, Lost
from gateway.buffer.repair.high_water import JOURNAL, Class, HighWaterMarks, Mark
from gateway.buffer.repair.recovery import (
    mark_of,
    missing,
    missing_entries,
    open_or_replace,
    without,
)
from gateway.buffer.rows import PointTable, checksum
from gateway.buffer.space import Space


class Contents:
    """The opened file at `path`; raises Fatal if it cannot be opened.

    Rows that `marks` claim and the file lacks are noted in `lost`. With `is_damaged` the file is
    replaced by a fresh one with its sound rows.
    """

    def __init__(
        self,
        path: Path,
        sinks: Mapping[str, frozenset[Kind]],
        clock: Callable[[], Nanos],
        *,
        ballast: Ballast,
        marks: HighWaterMarks,
        lost: Lost,
        handling: PointHandling | None,
        is_damaged: bool = False,
    ) -> None:
        self._clock, self._marks, self._lost = clock, marks, lost
        self._handling = handling
        claimed = dict(marks.current)
        opened = open_or_replace(path, clock(), claimed, ballast, is_damaged=is_damaged)
        self.db, self.set_aside = opened.db, opened.set_aside
        self.rows = {kind: PointTable(self.db, kind) for kind in Kind}
        self.journal = JournalTable(self.db)
        self._tables: dict[Class, PointTable | JournalTable] = {k: self.rows[k] for k in Kind}
        self._tables[JOURNAL] = self.journal
        for table in self._tables.values():
            table.measure()
        self.cursors = Cursors(self.db, sinks)
        self.losses, self.dead_letters = LossTable(self.db), DeadLetters(self.db)
        reason = "damaged" if self.set_aside else "lost_tail"
        lost.noted += missing(self.rows, self.cursors, claimed, reason)
        lost.miss(reason, missing_entries(self.journal, claimed.get(JOURNAL)), clock())
        self.leased = {kind: claimed.get(kind, Mark()).leased for kind in Kind}
        for kind, rows in self.rows.items():
            # Numbers that no row ever had, so that a late ack cannot match a new row.
            known = claimed.get(kind, Mark()).next
            rows.next = max(rows.next, known, self.cursors.furthest(kind) + 1)
        self.journal.next = max(self.journal.next, claimed.get(JOURNAL, Mark()).next)
        self.space = Space(self.rows, self.leased.__getitem__, handling)
        self._given_up: list[GivenUp] | None = None

    def given_up(self) -> list[GivenUp]:
        """Points that were given up, of which no one has taken note yet."""
        if self._given_up is None:
            self._given_up = [*self.dead_letters.given_up(), *self.losses.given_up()]
        return self._given_up

    @contextmanager
    def transaction(self, *, dead_letters: bool = False) -> Iterator[list[Loss]]:
        """Commits at the end; losses that the block adds to the list count only then.

        `dead_letters` says that the block changes these, or what is known of losses.
        """
        before = {each: (rows.next, rows.count) for each, rows in self._tables.items()}
        journal_bytes = self.journal.bytes
        self.db.execute("BEGIN IMMEDIATE")
        lost, self._lost.noted = self._lost.noted, []
        noted_before = len(lost)
        try:
            yield lost
            self.losses.note(lost, self._clock())
            for rows in self._tables.values():
                rows.save_numbers()
            self._mark_deletions(before)
            self.db.files.check()
            self.db.execute("COMMIT")
        except BaseException:
            self._roll_back(before)
            self.journal.bytes = journal_bytes
            self._lost.noted = lost[:noted_before] + self._lost.noted
            raise
        finally:
            self.db.files.note()
        if lost or dead_letters:
            self._given_up = None
        for loss in lost:
            self._lost.counted[loss.kind, loss.reason] += loss.count
        self.mark(durable=any(rows.next != before[each][0] for each, rows in self._tables.items()))

    def _roll_back(self, before: Mapping[Class, tuple[int, int]]) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        for kind, rows in self.rows.items():
            rows.measure()
            rows.next = before[kind][0]
        # Without counting its rows, which takes long and happens once a second on a full disk.
        self.journal.next, self.journal.count = before[JOURNAL]
        self.cursors.load()
        self.space = Space(self.rows, self.leased.__getitem__, self._handling)
        self.mark(durable=False)

    def _mark_deletions(self, before: Mapping[Class, tuple[int, int]]) -> None:
        """Records deletions before their commit, so that a crash after it reports no loss."""
        old = self._marks.current
        marks = {
            each: without(rows, before[each], old.get(each)) for each, rows in self._tables.items()
        }
        self._marks.write(marks, durable=False)

    def mark(self, *, durable: bool) -> None:
        """Writes the high-water mark of each class."""
        marks = {
            each: mark_of(rows, 0 if each == JOURNAL else self.leased[each])
            for each, rows in self._tables.items()
        }
        self._marks.write(marks, durable=durable)

    def forget(self, rows: PointTable) -> None:
        """Deletes the rows that every sink of their class has finished."""
        self.cursors.close_gaps(rows)
        rows.delete(self.cursors.slowest(rows.kind))

    def oldest_at(self) -> Nanos | None:
        """The time of the oldest point of any class."""
        times = [at for rows in self.rows.values() if (at := rows.oldest_at()) is not None]
        return min(times, default=None)

    def load_checkpoint(self, name: str) -> bytes | None:
        """The state last stored under this name; None if it is missing or damaged."""
        query = "SELECT CAST(state AS BLOB), CAST(crc AS INTEGER) FROM checkpoint WHERE name = ?"
        row = self.db.execute(query, (name,)).fetchone()
        return row[0] if row and row[1] == checksum(name, row[0]) else None

    def detectors(self) -> list[str]:
        """The detectors that ever had a checkpoint; other names begin with #."""
        query = "SELECT name FROM checkpoint WHERE substr(name, 1, 1) <> '#' ORDER BY name"
        return [str(name) for (name,) in self.db.execute(query)]

    def save_checkpoints(self, states: Mapping[str, bytes]) -> None:
        """Stores states under their names, replacing earlier ones."""
        self.db.executemany(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)",
            [(name, state, checksum(name, state)) for name, state in states.items()],
        )
