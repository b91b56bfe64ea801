"""The open buffer: append, lease, ack, reject, evict. Synchronous; one thread uses it.

Promises
- `append` returns after the commit: all of its points and checkpoints, or none.
- A sink sees each class in the order of its append, alerts before everything else.
- A row goes when every sink that accepts its class is past it, or when space runs short: oldest
  summaries first, then the gateway's own points, alerts only when nothing else is left.
- A row whose CRC does not match is set aside and counted; it is never sent and stops nobody.
- Whatever is given up is counted in `dropped` by class and reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.buffer.database import TABLES, open_or_set_aside, set_aside
from gateway.buffer.progress import Progress
from gateway.buffer.rows import ALL, Rows, checksum
from gateway.model import Envelope, Kind, Nanos
from gateway.supervise import Fatal

EVICTED = (Kind.SUMMARY, Kind.GATEWAY, Kind.ALERT)
"""Who goes first when space runs short."""

Drops = Counter[tuple[Kind, str]]


class Store:
    """`sinks` says which classes each sink accepts; what nobody accepts is not stored."""

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        sinks: Mapping[str, frozenset[Kind]],
        clock: Callable[[], Nanos],
    ) -> None:
        self.path, self.sinks = path, dict(sinks)
        self.dropped: Drops = Counter()
        self.set_aside: list[Path] = []
        self._max_bytes, self._clock = max_bytes, clock
        self._wanted = frozenset[Kind]().union(*self.sinks.values())
        self._open()
        self._forget_unwanted()

    def _open(self, numbers: Mapping[Kind, int] | None = None) -> None:
        """Open the file; new rows get higher numbers than `numbers`."""
        opened = open_or_set_aside(self.path, self._clock())
        if opened.set_aside:
            self.set_aside.append(opened.set_aside)
        self._db = opened.db
        self._rows = {kind: Rows(self._db, kind) for kind in Kind}
        self._progress = Progress(self._db, self.sinks)
        for kind, rows in self._rows.items():
            least = (numbers or {}).get(kind, 1)
            rows.next = max(rows.next, least, self._progress.furthest(kind) + 1)

    @contextmanager
    def _transaction(self) -> Iterator[Drops]:
        """Commits at the end; what the block counted as dropped counts only then."""
        dropped: Drops = Counter()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield dropped
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            for rows in self._rows.values():
                rows.measure()
            self._progress.load()
            raise
        self.dropped.update(dropped)

    def append(self, envelopes: Sequence[Envelope], checkpoint: Mapping[str, bytes]) -> set[Kind]:
        """Store all of it durably; returns the classes of what was stored."""
        wanted = [envelope for envelope in envelopes if envelope.kind in self._wanted]
        with self._transaction() as dropped:
            for kind, rows in self._rows.items():
                rows.insert([envelope for envelope in wanted if envelope.kind == kind])
            self._db.executemany(
                "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)",
                [(name, state, checksum(name, state)) for name, state in checkpoint.items()],
            )
            self._evict(dropped)
        return {envelope.kind for envelope in wanted}

    def _evict(self, dropped: Drops) -> None:
        for kind in EVICTED:
            rows = self._rows[kind]
            while (excess := self.used_bytes - self._max_bytes) > 0 and rows.count:
                dropped[kind, "evicted"] += rows.delete(rows.enough(excess))
            if dropped[kind, "evicted"]:
                self._forget(rows)

    @property
    def used_bytes(self) -> int:
        """What all stored points cost."""
        return sum(rows.bytes for rows in self._rows.values())

    def _forget_unwanted(self) -> None:
        with self._transaction() as dropped:
            for kind in set(Kind) - self._wanted:
                if self._rows[kind].count:
                    dropped[kind, "no_sink"] += self._rows[kind].delete(ALL)

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
                return found
        return []

    def _pending(self, sink: str, kind: Kind, limit_rows: int, limit_bytes: int) -> list[Envelope]:
        rows, now = self._rows[kind], self._clock()
        while limit_rows > 0:
            after, skip = self._progress.cursor(sink, kind), self._progress.done(sink, kind)
            found = rows.read(after, skip, limit_rows, limit_bytes)
            if found.damaged:
                with self._transaction() as dropped:
                    rows.bury(found.damaged, now)
                    self._forget(rows)
                    dropped[kind, "corrupt"] += len(found.damaged)
            if found.sound or not found.damaged:
                return found.sound
        return []

    def ack(self, sink: str, envelopes: Sequence[Envelope]) -> None:
        """The sink has these: never lease them to it again."""
        with self._transaction():
            self._settle(sink, envelopes)

    def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None:
        """The sink will never take these: keep them as dead letters with its words."""
        with self._transaction() as dropped:
            self._progress.write_off(sink, envelopes, why, self._clock())
            self._settle(sink, envelopes)
            dropped.update((envelope.kind, "rejected") for envelope in envelopes)

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

    def stats(self) -> dict[str, object]:
        """What waits, and what was lost since the start; plain values."""
        oldest = [at for rows in self._rows.values() if (at := rows.oldest_at()) is not None]
        return {
            "alerts": self._rows[Kind.ALERT].count,
            "summaries": self._rows[Kind.SUMMARY].count,
            "gateway": self._rows[Kind.GATEWAY].count,
            "bytes": self.used_bytes,
            "max_bytes": self._max_bytes,
            "oldest_at": min(oldest, default=None),
            "dropped": self.dropped.total(),
            "dropped_by": {f"{TABLES[k]}.{why}": n for (k, why), n in self.dropped.items()},
            "dead_letters": self._progress.dead_letters(),
            "set_aside": [path.name for path in self.set_aside],
        }

    def start_over(self) -> Path:
        """The file is damaged: set it aside, under the name returned, and go on with a fresh one.

        The numbers go on too, so that an ack on its way cannot hit a row that was never sent.
        """
        numbers = {kind: rows.next for kind, rows in self._rows.items()}
        self._db.close()
        try:
            aside = set_aside(self.path, self._clock())
        except OSError as error:
            raise Fatal(f"the damaged {self.path} cannot be set aside: {error}") from error
        self.set_aside.append(aside)
        self._open(numbers)
        return aside

    def reopen(self) -> None:
        """After a failed fsync nothing written since the last one is sure: read the file anew."""
        self._db.close()
        self._open()

    def close(self) -> None:
        """Close the file, the log folded into it."""
        self._db.close()
