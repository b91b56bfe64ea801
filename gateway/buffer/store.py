"""The open buffer: append, lease, ack, reject, tend. Synchronous; one thread uses it.

Promises
- `append` returns after the commit: all of its points and checkpoints, or none.
- A sink sees each class in the order of its append, alerts before everything else.
- A row goes when every sink that accepts its class is past it, or as `gateway.buffer.space` says.
- A row whose CRC does not match is set aside and counted; it is never sent and stops nobody.
- Whatever is given up is journalled in the transaction that gives it up, and told by `tend`.
- On a full disk alerts still find room: the ballast is theirs alone.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from gateway.buffer.ballast import Ballast
from gateway.buffer.database import TABLES, is_full, set_aside
from gateway.buffer.errors import BufferFull
from gateway.buffer.letters import Letter, Letters
from gateway.buffer.losses import Journal, Loss, Marker
from gateway.buffer.marks import Mark, Marks
from gateway.buffer.progress import Progress
from gateway.buffer.recovery import mark_of, missing, open_with, take_over, without
from gateway.buffer.rows import ALL, Rows, checksum
from gateway.buffer.space import Space
from gateway.model import Envelope, Kind, Nanos
from gateway.supervise import Fatal

log = structlog.get_logger()

FOLD_S = 30.0
"""The log is folded in at least this often: damage to a log costs everything behind it."""
TELL_S = 60.0
"""Losses are told to the cloud at most this often."""
MERGE_ABOVE = 0.8  # of max_bytes: summaries are merged ahead of need


class Store:
    """`sinks` says which classes each sink accepts; what nobody accepts is not stored."""

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        sinks: Mapping[str, frozenset[Kind]],
        clock: Callable[[], Nanos],
        *,
        max_age: Nanos | None = None,
        marker: Marker | None = None,
    ) -> None:
        self.path, self.sinks = path, dict(sinks)
        self.dropped: Counter[tuple[Kind, str]] = Counter()
        self.set_aside: list[Path] = []
        self._max_bytes, self._max_age = max_bytes, max_age
        self._clock, self._marker = clock, marker
        self._wanted = frozenset[Kind]().union(*self.sinks.values())
        self._folded_at, self._told_at = time.monotonic(), float("-inf")
        self._noted: list[Loss] = []
        self._ballast = Ballast(path.with_name(path.name + ".ballast"))
        self._marks = Marks(path.with_name(path.name + ".marks"))
        self._open(self._marks.found)
        self._forget_unwanted()

    def _open(self, marks: Mapping[Kind, Mark], aside: Path | None = None) -> None:
        """Open the file; `marks` say what it should hold, `aside` is its damaged predecessor."""
        opened = open_with(self._ballast, self.path, self._clock())
        aside = opened.set_aside or aside
        self._db = opened.db
        self._rows = {kind: Rows(self._db, kind) for kind in Kind}
        if aside is not None:
            self.set_aside.append(aside)
            take_over(self._db, self._rows, aside, marks)
        for rows in self._rows.values():
            rows.measure()
        self._progress = Progress(self._db, self.sinks)
        self._journal, self._letters = Journal(self._db), Letters(self._db)
        self._noted += missing(
            self._rows, self._progress, marks, "damaged" if aside else "lost_tail"
        )
        self._leased = {kind: marks.get(kind, Mark()).leased for kind in Kind}
        for kind, rows in self._rows.items():
            # Numbers that no row ever had, so that no late ack can hit a new row.
            known = marks.get(kind, Mark()).next
            rows.next = max(rows.next, known, self._progress.furthest(kind) + 1)
        self._space = Space(self._rows, self._leased.__getitem__)

    @contextmanager
    def _transaction(self) -> Iterator[list[Loss]]:
        """Commits at the end; what the block puts on the list is lost only then."""
        before = {kind: rows.next for kind, rows in self._rows.items()}
        lost, self._noted = self._noted, []
        told = len(lost)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield lost
            self._journal.note(lost, self._clock())
            for rows in self._rows.values():
                rows.claim_numbers()
            self._mark_deletions(before)
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back(before)
            self._noted = lost[:told] + self._noted
            raise
        for loss in lost:
            self.dropped[loss.kind, loss.reason] += loss.count
        self._mark(durable=any(rows.next != before[kind] for kind, rows in self._rows.items()))

    def _roll_back(self, before: Mapping[Kind, int]) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        for kind, rows in self._rows.items():
            rows.measure()
            rows.next = before[kind]
        self._progress.load()
        self._space = Space(self._rows, self._leased.__getitem__)
        self._mark(durable=False)

    def _mark_deletions(self, before: Mapping[Kind, int]) -> None:
        """Before they are committed, so that a crash right after it makes no loss of them."""
        old = self._marks.said
        said = {
            kind: without(rows, before[kind], old.get(kind)) for kind, rows in self._rows.items()
        }
        self._marks.write(said, durable=False)

    def _mark(self, *, durable: bool) -> None:
        found = {kind: mark_of(rows, self._leased[kind]) for kind, rows in self._rows.items()}
        self._marks.write(found, durable=durable)

    def append(self, envelopes: Sequence[Envelope], checkpoint: Mapping[str, bytes]) -> set[Kind]:
        """Store all of it durably; returns the classes of what was stored.

        BufferFull while the ballast is released, for anything but alerts alone.
        """
        wanted = [envelope for envelope in envelopes if envelope.kind in self._wanted]
        urgent = all(envelope.kind is Kind.ALERT for envelope in wanted)
        if not urgent and self._ballast.released and not self._ballast.restore():
            raise BufferFull("the disk is full: what room is left is kept for alerts")
        try:
            self._insert(wanted, checkpoint)
        except sqlite3.Error as error:
            if not (urgent and is_full(error) and self._ballast.release()):
                raise
            log.error("buffer.ballast_released", why=str(error))
            self._insert(wanted, checkpoint)
        return {envelope.kind for envelope in wanted}

    def _insert(self, envelopes: Sequence[Envelope], checkpoint: Mapping[str, bytes]) -> None:
        with self._transaction() as lost:
            for kind, rows in self._rows.items():
                stored = rows.insert([e for e in envelopes if e.kind == kind])
                if kind is Kind.ALERT:
                    self._space.alarms.note(stored)
            self._db.executemany(
                "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)",
                [(name, state, checksum(name, state)) for name, state in checkpoint.items()],
            )
            if self._space.used > self._max_bytes:
                self._give_up(self._space.make(self._max_bytes), lost)

    def _give_up(self, losses: Iterator[Loss], lost: list[Loss]) -> None:
        lost += losses
        for rows in self._rows.values():
            self._forget(rows)

    def _forget_unwanted(self) -> None:
        unwanted = [kind for kind in set(Kind) - self._wanted if self._rows[kind].count]
        if not unwanted and not self._noted:
            return
        try:
            with self._transaction() as lost:
                for kind in unwanted:
                    gone = self._rows[kind].delete(ALL)
                    lost.append(Loss(kind, "no_sink", gone.count, gone.since, gone.until))
        except sqlite3.Error as error:
            if not is_full(error):
                raise

    def lease(self, sink: str, limit_rows: int, limit_bytes: int) -> list[Envelope]:
        """What this sink has to send next, oldest first; at least one point if there is any.

        Alerts go alone: on a slow link they must not wait for the summaries beside them.
        """
        for kinds in ((Kind.ALERT,), (Kind.SUMMARY, Kind.GATEWAY)):
            found: list[Envelope] = []
            left = limit_bytes
            for kind in kinds:
                if kind in self.sinks[sink] and left > 0:
                    some = self._pending(sink, kind, limit_rows - len(found), left)
                    left -= sum(len(envelope.body) for envelope in some)
                    found += some
            if found:
                self._note_leased(found)
                return found
        return []

    def _note_leased(self, found: Sequence[Envelope]) -> None:
        newest = max((e.key for e in found if e.kind is Kind.SUMMARY), default=0)
        if newest > self._leased[Kind.SUMMARY]:
            self._leased[Kind.SUMMARY] = newest
            # On disk before it is sent: what may have arrived is never merged.
            self._mark(durable=True)

    def _pending(self, sink: str, kind: Kind, limit_rows: int, limit_bytes: int) -> list[Envelope]:
        rows, now = self._rows[kind], self._clock()
        while limit_rows > 0:
            after, skip = self._progress.cursor(sink, kind), self._progress.done(sink, kind)
            found = rows.read(after, skip, limit_rows, limit_bytes)
            if found.damaged:
                with self._transaction() as lost:
                    self._letters.bury(kind, found.damaged, now)
                    rows.remove(found.damaged)
                    rows.measure()
                    self._forget(rows)
                    lost.append(Loss(kind, "corrupt", len(found.damaged), now, now))
            if found.sound or not found.damaged:
                return found.sound
        return []

    def ack(self, sink: str, envelopes: Sequence[Envelope]) -> None:
        """The sink has these: never lease them to it again."""
        with self._transaction():
            self._settle(sink, envelopes)

    def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None:
        """The sink will never take these: keep them as dead letters with its words."""
        with self._transaction() as lost:
            self._letters.add(sink, envelopes, why, self._clock())
            self._settle(sink, envelopes)
            lost += [Loss(e.kind, "rejected", 1, e.at, e.at) for e in envelopes]

    def _settle(self, sink: str, envelopes: Sequence[Envelope]) -> None:
        for kind in {envelope.kind for envelope in envelopes}:
            rows = self._rows[kind]
            self._progress.settle(sink, rows, {e.key for e in envelopes if e.kind == kind})
            self._forget(rows)

    def _forget(self, rows: Rows) -> None:
        """Drop what every sink that accepts it is done with."""
        self._progress.close_gaps(rows)
        rows.delete(self._progress.slowest(rows.kind))

    def load_checkpoint(self, name: str) -> bytes | None:
        """The state last stored under this name; None if there is none or it is damaged."""
        query = "SELECT CAST(state AS BLOB), CAST(crc AS INTEGER) FROM checkpoint WHERE name = ?"
        row = self._db.execute(query, (name,)).fetchone()
        return row[0] if row and row[1] == checksum(name, row[0]) else None

    def note(self, loss: Loss) -> None:
        """Points were lost before they could be stored: journalled with the next transaction."""
        self._noted.append(loss)

    def tend(self) -> set[Kind]:
        """The work of every few seconds: age, merging, the ballast, the log, telling of losses.

        Returns the classes of what was stored by it.
        """
        self._ballast.restore()
        self._age()
        if self._space.used > MERGE_ABOVE * self._max_bytes:
            with self._transaction():
                self._space.merge()
        told = self._tell()
        if time.monotonic() - self._folded_at >= FOLD_S:
            self._folded_at = time.monotonic()
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return told

    def _age(self) -> None:
        oldest = [at for rows in self._rows.values() if (at := rows.oldest_at()) is not None]
        before = self._clock() - self._max_age if self._max_age else 0
        if min(oldest, default=before) < before:
            with self._transaction() as lost:
                self._give_up(self._space.expire(before), lost)

    def _tell(self) -> set[Kind]:
        if self._noted:
            with self._transaction():
                pass
        losses, now = self._journal.untold(), self._clock()
        if not losses or time.monotonic() - self._told_at < TELL_S:
            return set()
        with self._transaction():
            if self._marker and Kind.GATEWAY in self._wanted:
                # A nanosecond apart, so that no marker overwrites another.
                made = [self._marker(loss, now + n) for n, loss in enumerate(losses, 1)]
                self._rows[Kind.GATEWAY].insert(made)
            self._journal.settle()
        self._told_at = time.monotonic()
        for loss in losses:
            log.error("buffer.lost", **loss.facts())
        return {Kind.GATEWAY} & self._wanted

    def letters(self, limit: int) -> list[Letter]:
        """The newest dead letters."""
        return self._letters.newest(limit)

    def requeue(self, wanted: Sequence[int] | None) -> int:
        """Store dead letters anew, for all sinks, under new numbers; how many there were."""
        with self._transaction():
            found = self._letters.take(wanted)
            for kind, rows in self._rows.items():
                rows.insert([e for e in found if e.kind == kind])
        return len(found)

    def stats(self) -> dict[str, object]:
        """What waits, and what was lost since the start; plain values."""
        oldest = [at for rows in self._rows.values() if (at := rows.oldest_at()) is not None]
        return {
            "alerts": self._rows[Kind.ALERT].count,
            "summaries": self._rows[Kind.SUMMARY].count,
            "gateway": self._rows[Kind.GATEWAY].count,
            "bytes": self._space.used,
            "max_bytes": self._max_bytes,
            "oldest_at": min(oldest, default=None),
            "dropped": self.dropped.total(),
            "dropped_by": {f"{TABLES[k]}.{why}": n for (k, why), n in self.dropped.items()},
            "merged": self._space.merged,
            "dead_letters": self._letters.count(),
            "set_aside": [path.name for path in self.set_aside],
            "ballast_held": not self._ballast.released,
            "losses": [loss.facts() for loss in self._journal.newest(10)],
        }

    def start_over(self) -> Path:
        """The file is damaged: set it aside, and go on with what could be salvaged of it."""
        marks = self._marks.said
        self._db.close()
        try:
            aside = set_aside(self.path, self._clock())
        except OSError as error:
            raise Fatal(f"the damaged {self.path} cannot be set aside: {error}") from error
        self._open(marks, aside)
        return aside

    def reopen(self) -> None:
        """After a failed fsync nothing written since the last one is sure: read the file anew."""
        self._db.close()
        self._open(self._marks.said)

    def close(self) -> None:
        """Close the file, the log folded into it."""
        self._db.close()
        self._marks.close()
