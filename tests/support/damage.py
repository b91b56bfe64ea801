"""A buffer as a crash leaves it, and what the store makes of it once its files are damaged."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from disk_image import put

from gateway.api.model import SECOND, Envelope, Kind
from gateway.buffer.database import Damaged, is_damage
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.core.alarms.journal import note
from gateway.core.stored_points import StoredPoints

A, S = Kind.ALERT, Kind.SUMMARY
SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9
DATABASE, LOG = "buffer.db", "buffer.db-wal"
FILES = DATABASE, LOG, DATABASE + ".marks"
APPENDS = 20
NEWEST = b"state %02d" % (APPENDS - 1) * 300
AROUND = 25
"""Bytes before and behind a body that belong to its row: numbers, lengths, CRC."""
AROUND_ENTRY = 120
"""The same of an entry, with its id and what else is in its JSON."""
SMALL_BALLAST = 4096
"""For `ballast.SIZE`: it has no part in this, and 8 MiB would be written for each image."""


def opened(path):
    return Store(path, BIG, SINKS, lambda: 1_000 * SECOND, handling=StoredPoints("plant", "line"))


def rows_of(kind, first, last):
    """Bodies of points, every thirtieth so long that it takes three pages."""
    return [
        Envelope(kind, n, b"<%s%04d>" % (kind.name[:1].encode(), n) * (1300 if n % 30 == 0 else 15))
        for n in range(first, last + 1)
    ]


def entries_of(first, last):
    """Entries of the journal, every thirtieth so long that it takes three pages."""
    return [note(n, f"<J{n:04d}>" * (1300 if n % 30 == 0 else 15)) for n in range(first, last + 1)]


@dataclass
class Image:
    """The files, the bodies of all points that were ever stored, and of those that still wait."""

    files: dict[str, bytes]
    stored: set[bytes]
    waiting: set[bytes]

    @cached_property
    def rows(self):
        """By file, where bytes of which point are: from, to, its body."""
        whose = {body[:7]: body for body in self.waiting}
        return {
            name: [
                (match.start() - AROUND, match.end() + AROUND, whose[match[0]])
                for match in re.finditer(rb"<[AS]\d{4}>", raw)
                if match[0] in whose
            ]
            for name, raw in self.files.items()
        }

    def entries_hit(self, name, start, end):
        """The numbers of the entries of which bytes are in this stretch of the file."""
        found = re.finditer(rb"(?:<J\d{4}>)+", self.files[name])
        return {
            int(match[0][2:6])
            for match in found
            if match.start() - AROUND_ENTRY < end and start < match.end() + AROUND_ENTRY
        }

    def hit(self, name, start, end):
        """The points of which bytes are in this stretch of the file."""
        return {body for low, high, body in self.rows[name] if low < end and start < high}


def made(folder):
    """250 points of each class in the database, of which 20 are gone; twenty appends in the log."""
    with closing(opened(folder / DATABASE)) as store:
        states = {"pump": b"old" * 900, "fan": b"fan"}
        store.append(rows_of(A, 1, 250) + rows_of(S, 1, 250), states, entries_of(1, 250))
        store.ack("cloud", store.lease("cloud", 20, BIG))
        store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for n in range(APPENDS):
            more = rows_of(A, 251 + n, 251 + n) + rows_of(S, 251 + 2 * n, 252 + 2 * n)
            entries = entries_of(251 + n, 251 + n)
            store.append(more, {"pump": b"state %02d" % n * 300}, entries)
        files = {
            name: (folder / name).read_bytes() for name in (DATABASE, LOG, DATABASE + ".marks")
        }
    stored = {e.body for e in rows_of(A, 1, 250 + APPENDS) + rows_of(S, 1, 250 + 2 * APPENDS)}
    return Image(files, stored, stored - {e.body for e in rows_of(A, 1, 20)})


@dataclass
class Outcome:
    """What the store made of damaged files."""

    got: set[bytes]
    counted: int
    checkpoints: tuple[bytes | None, bytes | None]
    set_aside: list[Path]
    numbers: list[tuple[Kind, int]]
    journalled: int
    entries: set[int]
    entries_missing: int


def outcome(folder, files):
    """Open these files as the daemon does, and send everything."""
    put(folder, files)
    return drained(folder)


def drained(folder):
    """Send everything that is in the buffer, however often its file must be replaced."""
    with closing(opened(folder / DATABASE)) as store:
        got, checkpoints = [], tuple(store.load_checkpoint(name) for name in ("pump", "fan"))
        while True:
            try:
                batch = store.lease("cloud", BIG, BIG)
                store.ack("cloud", batch)
            except (sqlite3.DatabaseError, Damaged) as error:
                if not is_damage(error):
                    raise
                store.start_over()
                continue
            if not batch:
                break
            got += [e for e in batch if e.kind is not Kind.GATEWAY]
        entries = entries_in(store)
        counted = sum(n for (kind, _), n in store.dropped.items() if kind in (A, S))
        numbers = [(e.kind, e.key) for e in got]
        losses = [loss for loss in store.stats()["losses"] if loss["kind"] != "gateway"]
        journalled = sum(loss["count"] for loss in losses)
        bodies = {e.body for e in got}
        missing = sum(store.stats()["journal"]["missing_by"].values())
        return Outcome(
            bodies, counted, checkpoints, store.set_aside, numbers, journalled, entries, missing
        )


def entries_in(store):
    """The numbers of the readable entries, however often the file must be replaced."""
    while True:
        try:
            page = store.journal(JournalQuery(BIG))
        except (sqlite3.DatabaseError, Damaged) as error:
            if not is_damage(error):
                raise
            store.start_over()
            continue
        numbers = [entry.seq for entry in page.entries()]
        assert len(numbers) == len(set(numbers))
        assert all(e.message.startswith(f"<J{e.seq:04d}>") for e in page.entries())
        return set(numbers)
