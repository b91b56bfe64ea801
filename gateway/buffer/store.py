"""The open buffer: append, lease, ack, reject, maintain. Synchronous; one thread uses it.

Promises
- `append` returns after the commit: all of its points and checkpoints, or none.
- A sink sees each class in the order of its append, alerts before everything else, clips after it.
- A row goes when every sink that accepts its class is past it, or as `gateway.buffer.space` says.
- A row whose CRC does not match is set aside and counted; it is never sent and stops nobody.
- Whatever is given up is journalled in the transaction that gives it up, and told by `maintain`.
- On a full disk alerts still find room: the ballast is theirs alone.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.ballast import Ballast
from gateway.buffer.contents import Contents
from gateway.buffer.database import TABLES, is_full
from gateway.buffer.dead_letters import DeadLetter
from gateway.buffer.errors import BufferFull
from gateway.buffer.handling import PointHandling
from gateway.buffer.losses import Lost
from gateway.buffer.repair.high_water import HighWaterMarks
from gateway.buffer.rows import ALL

log = structlog.get_logger()

LANES = ((Kind.ALERT,), (Kind.SUMMARY, Kind.GATEWAY), (Kind.CLIP,))
CHECKPOINT_S = 30.0
"""The log is folded in at least this often: damage to a log costs everything behind it."""
REPORT_S = 60.0
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
        handling: PointHandling | None = None,
    ) -> None:
        self.path, self.sinks = path, dict(sinks)
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
        """Points that were lost since the start, by class and reason."""
        return self._lost.counted

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
        with self._contents.transaction() as lost:
            for kind, rows in self._contents.rows.items():
                stored = rows.insert([e for e in envelopes if e.kind == kind])
                if kind is Kind.ALERT:
                    self._contents.space.alarms.note(stored)
            self._contents.save_checkpoints(checkpoint)
            if self._contents.space.used > self._max_bytes:
                self._give_up(self._contents.space.make(self._max_bytes), lost)

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
        """What this sink has to send next, oldest first; at least one point if there is any.

        Alerts go alone: on a slow link they must not wait for the summaries beside them. No class
        below `lowest` goes.
        """
        for kinds in LANES:
            found: list[Envelope] = []
            left = limit_bytes
            for kind in kinds:
                if kind <= lowest and kind in self.sinks[sink] and left > 0:
                    some = self._pending(sink, kind, limit_rows - len(found), left)
                    left -= sum(len(envelope.body) for envelope in some)
                    found += some
            if found:
                self._note_leased(found)
                return found
        return []

    def _note_leased(self, found: Sequence[Envelope]) -> None:
        self._merge_none(max((e.key for e in found if e.kind is Kind.SUMMARY), default=0))

    def _merge_none(self, until: int) -> None:
        """Summaries up to this number may be with a sink."""
        if until > self._contents.leased[Kind.SUMMARY]:
            self._contents.leased[Kind.SUMMARY] = until
            # On disk before it is sent: what may have arrived is never merged.
            self._contents.mark(durable=True)

    def _pending(self, sink: str, kind: Kind, limit_rows: int, limit_bytes: int) -> list[Envelope]:
        rows, progress = self._contents.rows[kind], self._contents.cursors
        now = self._clock()
        while limit_rows > 0:
            after, skip = progress.cursor(sink, kind), progress.done(sink, kind)
            found = rows.read(after, skip, limit_rows, limit_bytes)
            if found.damaged:
                with self._contents.transaction() as lost:
                    self._contents.dead_letters.add_damaged(kind, found.damaged, now)
                    rows.remove(found.damaged)
                    self._contents.forget(rows)
                    lost.append(Loss(kind, "corrupt", len(found.damaged), now, now))
            if found.sound or not found.damaged:
                return found.sound
        return []

    def ack(
        self,
        sink: str,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] | None = None,
    ) -> None:
        """The sink has these: never lease them to it again; and store what follows from it."""
        with self._contents.transaction():
            self._settle(sink, envelopes)
            self._contents.save_checkpoints(checkpoint or {})

    def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None:
        """The sink will never take these: keep them as dead letters with its words."""
        with self._contents.transaction() as lost:
            self._contents.dead_letters.add(sink, envelopes, why, self._clock())
            self._settle(sink, envelopes)
            lost += [Loss(e.kind, "rejected", 1, e.at, e.at) for e in envelopes]

    def _settle(self, sink: str, envelopes: Sequence[Envelope]) -> None:
        for kind in {envelope.kind for envelope in envelopes}:
            rows = self._contents.rows[kind]
            self._contents.cursors.settle(sink, rows, {e.key for e in envelopes if e.kind == kind})
            self._contents.forget(rows)

    def load_checkpoint(self, name: str) -> bytes | None:
        """The state last stored under this name; None if there is none or it is damaged."""
        return self._contents.load_checkpoint(name)

    def note(self, loss: Loss) -> None:
        """Points were lost before they could be stored: journalled with the next transaction."""
        self._lost.noted.append(loss)

    def merge(self) -> bool:
        """Merge the oldest interval of summaries that no sink can have got; whether any could."""
        with self._contents.transaction():
            return self._contents.space.merge()

    def maintain(self, *, expire: bool = True) -> set[Kind]:
        """The work of every few seconds: age, merging, the ballast, the log, telling of losses.

        `expire` is False while no age can be told, because the clock is not trusted.

        Returns the classes of what was stored by it.
        """
        self._ballast.restore()
        if expire:
            self._age()
        if self._contents.space.kept > MERGE_ABOVE * self._max_bytes:
            self.merge()
        told = self._report()
        if time.monotonic() - self._checkpointed_at >= CHECKPOINT_S:
            self._checkpointed_at = time.monotonic()
            self._contents.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return told

    def _age(self) -> None:
        oldest = self._contents.oldest_at()
        before = self._clock() - self._max_age if self._max_age else 0
        if oldest is not None and oldest < before:
            with self._contents.transaction() as lost:
                self._give_up(self._contents.space.expire(before), lost)

    def _report(self) -> set[Kind]:
        if self._lost.noted:
            with self._contents.transaction():
                pass
        losses, now = self._contents.journal.unreported(), self._clock()
        if not losses or time.monotonic() - self._reported_at < REPORT_S:
            return set()
        with self._contents.transaction():
            if self._handling is not None and Kind.GATEWAY in self._wanted:
                # A nanosecond apart, so that no marker overwrites another.
                made = [
                    self._handling.gap_marker(loss, now + n) for n, loss in enumerate(losses, 1)
                ]
                self._contents.rows[Kind.GATEWAY].insert(made)
            self._contents.journal.settle()
        self._reported_at = time.monotonic()
        for loss in losses:
            log.error("buffer.lost", **loss.facts())
        return {Kind.GATEWAY} & self._wanted

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The newest dead letters."""
        return self._contents.dead_letters.newest(limit)

    def requeue(self, wanted: Sequence[int] | None) -> int:
        """Store dead letters anew, for all sinks, under new numbers; how many there were."""
        with self._contents.transaction():
            found = self._contents.dead_letters.take(wanted)
            # One sink refused them, another may have them.
            summaries = sum(envelope.kind is Kind.SUMMARY for envelope in found)
            if summaries:
                self._merge_none(self._contents.rows[Kind.SUMMARY].next + summaries - 1)
            for kind, rows in self._contents.rows.items():
                rows.insert([e for e in found if e.kind == kind])
        return len(found)

    def stats(self) -> dict[str, object]:
        """What waits, and what was lost since the start; plain values."""
        rows = self._contents.rows
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
            "losses": [loss.facts() for loss in self._contents.journal.newest(10)],
        }

    def start_over(self) -> None:
        """The file is damaged: set it aside, and go on with what could be salvaged of it."""
        self._contents.db.close()
        self._open(is_damaged=True)

    def reopen(self) -> None:
        """After a failed fsync nothing written since the last one is sure: read the file anew."""
        self._contents.db.close()
        self._open()

    def close(self) -> None:
        """Close the file, the log folded into it."""
        self._contents.db.close()
        self._marks.close()
