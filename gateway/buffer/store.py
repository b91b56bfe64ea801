"""The open buffer: append, lease, ack, reject, maintain. Synchronous; one thread uses it.

Promises
- `append` returns after the commit: all of its points, checkpoints and entries of the alarm journal
  are stored, or none.
- A sink gets each class in the order of its append, alerts before and clips after everything else.
- A row is deleted when every sink of its class has finished it, or as `gateway.buffer.space` says.
- A row with a wrong CRC is set aside and counted; it is never sent, and later points still are.
- Losses are recorded in the transaction that causes them, and reported by `maintain`.
- On a full disk there is still room for alerts: the ballast is reserved for them.
- Entries of the journal are kept as long as `JournalLimits` says, whatever becomes of the points.
  Only a journal beyond its limit, and a disk that has no room for the next alert, costs the oldest
  ones before that, counted and noted in the journal itself.
- Nothing is stored in files that no later start would find; see `gateway.buffer.place`.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import structlog

from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.ballast import Ballast
from gateway.buffer.contents import Contents
from gateway.buffer.database import TABLES, Damaged, is_full
from gateway.buffer.dead_letters import NEWEST, DeadLetter
from gateway.buffer.errors import BufferFull
from gateway.buffer.given_up import sentences
from gateway.buffer.handling import PointHandling
from gateway.buffer.journal import JournalLimits
from gateway.buffer.journal_query import JournalPage, JournalQuery, query
from gateway.buffer.losses import Lost
from gateway.buffer.place import Place
from gateway.buffer.repair.high_water import HighWaterMarks
from gateway.buffer.rows import ALL, PointTable
from gateway.buffer.state_folder import StateFolder
from gateway.core.alarms.journal import JournalEntry

log = structlog.get_logger()

LANES = ((Kind.ALERT,), (Kind.SUMMARY, Kind.GATEWAY), (Kind.CLIP,))
CHECKPOINT_S = 30.0
"""The WAL is checkpointed at least this often: damage to it costs everything behind it."""
INSTEAD_OF = 64
"""Entries of the journal that are given up for new ones on a disk with hardly any room."""
LEFT_ALONE = 2 * 2**20
"""A journal of fewer bytes is not what fills a disk, and nothing of it is given up."""
FREE_PAGES = 16
"""More free pages of the file than an append usually needs."""
REPORT_S = 60.0
"""Losses are reported to the cloud at most this often."""
MERGE_ABOVE = 0.8  # of max_bytes: summaries are merged ahead of need


class Store:
    """The open buffer; `sinks` maps each sink to its classes, and other classes are not stored."""

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        sinks: Mapping[str, frozenset[Kind]],
        clock: Callable[[], Nanos],
        *,
        max_age: Nanos | None = None,
        handling: PointHandling | None = None,
        folder: StateFolder | None = None,
        journal: JournalLimits | None = None,
    ) -> None:
        self._journal = journal or JournalLimits()
        self.path, self.sinks = path, dict(sinks)
        self._folder, self._place = folder, Place(path, folder)
        self.refused = ""
        """Why the disk took nothing the last time; empty if it did."""
        self.set_aside: list[Path] = []
        self._max_bytes, self._max_age = max_bytes, max_age
        self._clock, self._handling = clock, handling
        self._wanted = frozenset[Kind]().union(*self.sinks.values())
        self._checkpointed_at, self._reported_at = time.monotonic(), float("-inf")
        self._lost = Lost()
        self._ballast = Ballast(path.with_name(path.name + ".ballast"))
        self._marks = HighWaterMarks(path.with_name(path.name + ".marks"))
        self._open()
        self._forget_unwanted()

    def _open(self, *, is_damaged: bool = False) -> None:
        self._contents = Contents(
            self.path,
            self.sinks,
            self._clock,
            ballast=self._ballast,
            marks=self._marks,
            lost=self._lost,
            handling=self._handling,
            is_damaged=is_damaged,
        )
        if self._contents.set_aside is not None:
            self.set_aside.append(self._contents.set_aside)

    @property
    def dropped(self) -> Counter[tuple[Kind, str]]:
        """Points lost since the start, by class and reason."""
        return self._lost.counted

    def stand(self) -> None:
        """Checks that the buffer is in its place, and puts it back if it is due.

        BufferRefused as long as it is not, Damaged if a file was truncated.
        """
        if self._place.is_due(self._contents.db.files):
            gone = self._place.put_back(self._contents.db, self._clock())
            self._contents.db.close()
            self._marks.keep()
            self._open()
            if gone is not None:
                self.set_aside.append(gone)
            log.warning("buffer.put_back", why=self._place.why, set_aside=str(gone or ""))
            self._place.is_due(self._contents.db.files)
        shortened = self._contents.db.files.shortened()
        if shortened:
            raise Damaged(shortened)

    def trouble(self) -> str:
        """Why the state folder is not as it should be, in a sentence; or empty."""
        if self._place.why or self.refused:
            return self._place.why or self.refused
        if self._ballast.released:
            return "the disk is full: only alerts are stored"
        return self._folder.change() if self._folder is not None else ""

    def append(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes],
        journal: Sequence[JournalEntry] = (),
    ) -> set[Kind]:
        """Stores all of this durably; returns the classes of the stored points.

        BufferFull while the ballast is released, unless all points are alerts.
        """
        wanted = [envelope for envelope in envelopes if envelope.kind in self._wanted]
        urgent = all(envelope.kind is Kind.ALERT for envelope in wanted)
        if not urgent and self._ballast.released and not self._ballast.restore():
            raise BufferFull("the disk is full: the remaining space is reserved for alerts")
        try:
            self._insert(wanted, checkpoint, journal)
        except sqlite3.Error as error:
            if not (urgent and is_full(error) and self._ballast.release()):
                raise
            log.error("buffer.ballast_released", why=str(error))
            self._insert(wanted, checkpoint, journal)
        return {envelope.kind for envelope in wanted}

    def _insert(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes],
        journal: Sequence[JournalEntry],
    ) -> None:
        # The last resort, while there still is the little room that deleting takes.
        instead_of = INSTEAD_OF if self._ballast.is_scarce() and self._is_to_shrink() else 0
        with self._contents.transaction() as lost:
            given_up = self._contents.journal.delete_oldest(instead_of)
            self._contents.journal.insert(journal, self._clock())
            beyond = self._contents.journal.make_room(self._journal.max_bytes)
            for kind, rows in self._contents.rows.items():
                stored = rows.insert([e for e in envelopes if e.kind == kind])
                if kind is Kind.ALERT:
                    self._contents.space.alarms.note(stored)
            self._contents.save_checkpoints(checkpoint)
            if self._contents.space.used > self._max_bytes:
                self._give_up(self._contents.space.make_room(self._max_bytes), lost)
        self._lost.miss("disk_full", given_up, self._clock())
        self._lost.miss("max_bytes", beyond, self._clock())

    def _is_to_shrink(self) -> bool:
        """Whether the file must grow soon for want of free pages, and entries could give some."""
        if self._contents.journal.bytes < LEFT_ALONE:
            return False
        (free,) = self._contents.db.execute("PRAGMA freelist_count").fetchone()
        return int(free) < FREE_PAGES

    def _give_up(self, losses: Iterator[Loss], lost: list[Loss]) -> None:
        lost += losses
        for rows in self._contents.rows.values():
            self._contents.forget(rows)

    def _forget_unwanted(self) -> None:
        unwanted = [kind for kind in set(Kind) - self._wanted if self._contents.rows[kind].count]
        if not unwanted and not self._lost.noted:
            return
        try:
            with self._contents.transaction() as lost:
                for kind in unwanted:
                    gone = self._contents.rows[kind].delete(ALL)
                    lost.append(Loss(kind, "no_sink", gone.count, gone.since, gone.until))
        except sqlite3.Error as error:
            if not is_full(error):
                raise

    def lease(
        self, sink: str, limit_rows: int, limit_bytes: int, *, lowest: Kind = Kind.CLIP
    ) -> list[Envelope]:
        """The next points for this sink, oldest first; at least one if there is any.

        Alerts are leased alone: on a slow link they must not wait for summaries in the same batch.
        No class below `lowest` is leased.
        """
        for kinds in LANES:
            batch: list[Envelope] = []
            left = limit_bytes
            for kind in kinds:
                if kind <= lowest and kind in self.sinks[sink] and left > 0:
                    pending = self._pending(sink, kind, limit_rows - len(batch), left)
                    left -= sum(len(envelope.body) for envelope in pending)
                    batch += pending
            if batch:
                self._note_leased(batch)
                return batch
        return []

    def _note_leased(self, batch: Sequence[Envelope]) -> None:
        self._merge_none(max((e.key for e in batch if e.kind is Kind.SUMMARY), default=0))

    def _merge_none(self, until: int) -> None:
        """Excludes summaries up to this number from merging, since a sink may have them."""
        if until > self._contents.leased[Kind.SUMMARY]:
            self._contents.leased[Kind.SUMMARY] = until
            # On disk before it is sent, so that points that may have arrived are never merged.
            self._contents.mark(durable=True)

    def _pending(self, sink: str, kind: Kind, limit_rows: int, limit_bytes: int) -> list[Envelope]:
        rows, cursors = self._contents.rows[kind], self._contents.cursors
        now = self._clock()
        while limit_rows > 0:
            after, skip = cursors.cursor(sink, kind), cursors.done(sink, kind)
            result = rows.read(after, skip, limit_rows, limit_bytes)
            if result.damaged:
                with self._contents.transaction() as lost:
                    self._contents.dead_letters.add_damaged(kind, result.damaged, now)
                    rows.remove(result.damaged)
                    self._contents.forget(rows)
                    lost.append(Loss(kind, "corrupt", len(result.damaged), now, now))
            if result.sound or not result.damaged:
                return result.sound
        return []

    def ack(
        self,
        sink: str,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] | None = None,
    ) -> None:
        """Acknowledges points of a sink, and stores checkpoints in the same transaction."""
        with self._contents.transaction():
            self._ack(sink, envelopes)
            self._contents.save_checkpoints(checkpoint or {})

    def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None:
        """Moves points that the sink will never take to the dead letters, with the reason."""
        with self._contents.transaction() as lost:
            self._contents.dead_letters.add(sink, envelopes, why, self._clock())
            self._ack(sink, envelopes)
            lost += [Loss(e.kind, "rejected", 1, e.at, e.at) for e in envelopes]

    def _ack(self, sink: str, envelopes: Sequence[Envelope]) -> None:
        for kind in {envelope.kind for envelope in envelopes}:
            rows = self._contents.rows[kind]
            self._contents.cursors.ack(sink, rows, {e.key for e in envelopes if e.kind == kind})
            self._contents.forget(rows)

    def load_checkpoint(self, name: str) -> bytes | None:
        """The state last stored under this name; None if it is missing or damaged."""
        return self._contents.load_checkpoint(name)

    def detectors(self) -> list[str]:
        """The detectors that ever had a checkpoint."""
        return self._contents.detectors()

    def journal(self, asked: JournalQuery) -> JournalPage:
        """Entries of the alarm journal. Damaged rows among them are deleted, and counted."""
        page = query(self._contents.db, asked)
        if page.damaged:
            with self._contents.transaction():
                self._contents.journal.remove(page.damaged)
            self._lost.miss("corrupt", len(page.damaged), self._clock())
        return page

    def note(self, loss: Loss) -> None:
        """Notes points lost before they were stored; the next transaction records them."""
        self._lost.noted.append(loss)

    def merge(self) -> bool:
        """Merges the oldest interval of summaries that no sink can have; whether there was one."""
        with self._contents.transaction():
            return self._contents.space.merge()

    def maintain(self, *, expire: bool = True) -> set[Kind]:
        """Expires, merges, restores the ballast, checkpoints the WAL, and reports losses.

        `expire` is False while the clock is not trusted. Returns the classes of points stored by
        this.
        """
        self._ballast.restore()
        self._marks.keep()
        if self._folder is not None:
            self._folder.keep_lock()
        if expire:
            self._age()
        self._note_missing_entries()
        if self._contents.space.kept > MERGE_ABOVE * self._max_bytes:
            self.merge()
        stored = self._report()
        if time.monotonic() - self._checkpointed_at >= CHECKPOINT_S:
            self._checkpointed_at = time.monotonic()
            self._contents.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._contents.db.files.note()
        return stored

    def _age(self) -> None:
        oldest = self._contents.oldest_at()
        before = self._clock() - self._max_age if self._max_age else 0
        if oldest is not None and oldest < before:
            with self._contents.transaction() as lost:
                self._give_up(self._contents.space.expire(before), lost)
        if self._contents.journal.oldest_recorded_at() < self._clock() - self._journal.keep:
            with self._contents.transaction():
                self._contents.journal.expire(self._clock() - self._journal.keep)

    def _note_missing_entries(self) -> None:
        now = self._clock()
        notes = self._lost.entries.due(now)
        if notes:
            with self._contents.transaction():
                self._contents.journal.insert(notes.values(), now)
            self._lost.entries.said(notes, now)

    def _report(self) -> set[Kind]:
        if self._lost.noted:
            with self._contents.transaction():
                pass
        losses, now = self._contents.losses.unreported(), self._clock()
        if not losses or time.monotonic() - self._reported_at < REPORT_S:
            return set()
        with self._contents.transaction(dead_letters=True):
            # A nanosecond apart, so that no marker overwrites another.
            times = range(now + 1, now + 1 + len(losses))
            self._add_markers(zip(losses, times, strict=True))
            self._contents.losses.mark_reported(times)
        self._reported_at = time.monotonic()
        for loss in losses:
            log.error("buffer.lost", **loss.facts())
        return {Kind.GATEWAY} & self._wanted

    def _add_markers(self, losses: Iterable[tuple[Loss, Nanos]]) -> None:
        """Stores the gap markers of losses, which overwrite earlier ones of the same time."""
        if self._handling is not None and Kind.GATEWAY in self._wanted:
            markers = [self._handling.gap_marker(loss, at) for loss, at in losses]
            self._contents.rows[Kind.GATEWAY].insert(markers)

    def dead_letters(self, limit: int, before: int = NEWEST) -> list[DeadLetter]:
        """The newest dead letters with smaller numbers than `before`."""
        return self._contents.dead_letters.newest(limit, before)

    def requeue(self, wanted: Sequence[int] | None) -> int:
        """Stores dead letters again, under new numbers, for the sinks that rejected them.

        They are no loss any more: markers that reported them are written again. Returns their
        number.
        """
        with self._contents.transaction(dead_letters=True):
            rejected_by = self._contents.dead_letters.take(wanted)
            points = list(rejected_by)
            # One sink rejected them, but another may have them.
            summaries = sum(envelope.kind is Kind.SUMMARY for envelope in points)
            if summaries:
                self._merge_none(self._contents.rows[Kind.SUMMARY].next + summaries - 1)
            for kind, rows in self._contents.rows.items():
                mine = [e for e in points if e.kind == kind]
                stored = rows.insert(mine)
                self._spare_others(
                    rows, {e.key: rejected_by[old] for e, old in zip(stored, mine, strict=True)}
                )
                times = [e.at for e in mine for _ in rejected_by[e]]
                self._add_markers(self._contents.losses.take_back(kind, "rejected", times))
        return len(points)

    def _spare_others(self, rows: PointTable, rejected_by: Mapping[int, AbstractSet[str]]) -> None:
        """Rows for the sinks that rejected them; for all, if the line file has none of these."""
        sinks = {sink for sink, kinds in self.sinks.items() if rows.kind in kinds}
        for sink in sinks:
            others = {n for n, who in rejected_by.items() if who & sinks and sink not in who}
            if others:
                self._contents.cursors.spare(sink, rows, others)

    def discard(self, wanted: Sequence[int] | None) -> tuple[int, int]:
        """Deletes dead letters; with None all, and takes note of all losses too.

        Returns the numbers of dead letters and of losses.
        """
        with self._contents.transaction(dead_letters=True):
            letters = self._contents.dead_letters.discard(wanted)
            losses = self._contents.losses.dismiss() if wanted is None else 0
        return letters, losses

    def stats(self) -> dict[str, object]:
        """Waiting points and losses since the start, as plain values."""
        rows, given_up, now = self._contents.rows, self._contents.given_up(), self._clock()
        return {
            "alerts": rows[Kind.ALERT].count,
            "summaries": rows[Kind.SUMMARY].count,
            "gateway": rows[Kind.GATEWAY].count,
            "clips": rows[Kind.CLIP].count,
            "bytes": self._contents.space.used,
            "bytes_without_clips": self._contents.space.kept,
            "max_bytes": self._max_bytes,
            "oldest_at": self._contents.oldest_at(),
            "dropped": self.dropped.total(),
            "dropped_by": {f"{TABLES[k]}.{why}": n for (k, why), n in self.dropped.items()},
            "merged": self._contents.space.merged,
            "dead_letters": self._contents.dead_letters.count(),
            "set_aside": [path.name for path in self.set_aside],
            "ballast_held": not self._ballast.released,
            "losses": [loss.facts() for loss in self._contents.losses.newest(10)],
            "given_up": [each.facts(now) for each in given_up],
            "given_up_why": [*sentences(given_up, now), *self._lost.entries.sentences(now)],
            "journal": {
                **self._contents.journal.facts(),
                "max_bytes": self._journal.max_bytes,
                "missing_by": dict(self._lost.entries.counted),
            },
        }

    def start_over(self) -> None:
        """Replaces a damaged file by a fresh one with its sound rows, and sets it aside."""
        self._contents.db.close()
        self._open(is_damaged=True)

    def reopen(self) -> None:
        """Opens the file again, since after a failed fsync recent writes may be missing."""
        self._contents.db.close()
        self._open()

    def close(self) -> None:
        """Closes the file; SQLite checkpoints the WAL."""
        self._contents.db.close()
        self._marks.close()
