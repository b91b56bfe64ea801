"""What happens when a buffer is opened: is all of it there, and what can be had of a damaged one.

Promises
- What the marks say was stored and the file does not hold is a loss, counted and journalled.
- What a damaged file still holds is in the fresh one before anything new is stored.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from gateway.buffer.ballast import Ballast
from gateway.buffer.database import TABLES, Opened, is_full, open_or_set_aside
from gateway.buffer.losses import Loss
from gateway.buffer.marks import Mark
from gateway.buffer.progress import Progress
from gateway.buffer.rows import Rows
from gateway.buffer.salvage import salvage
from gateway.model import Kind, Nanos
from gateway.supervise import Fatal

log = structlog.get_logger()

_UNMARKED = 1_000
"""Rows that a crash may have kept from being marked."""
_UNKNOWN = (1, 200_000)
"""What is searched where no mark says what there was."""


def open_with(ballast: Ballast, path: Path, now: Nanos) -> Opened:
    """The database, at the ballast's cost on a full disk. Raises Fatal."""
    try:
        return open_or_set_aside(path, now)
    except Fatal as error:
        if not is_full(error.__cause__) or not ballast.release():
            raise
        return open_or_set_aside(path, now)


def mark_of(rows: Rows, leased: int) -> Mark:
    """What is to be remembered of a class."""
    return Mark(rows.first(), rows.next, rows.count, rows.newest_at() or 0, leased)


def without(rows: Rows, next_before: int, old: Mark | None) -> Mark:
    """The old mark, less what a transaction deletes; what it inserts is not yet sure."""
    old = old or Mark()
    kept = max(rows.count - (rows.next - next_before), 0)
    return replace(old, first=min(rows.first(), old.next), count=min(kept, old.count))


def take_over(
    db: sqlite3.Connection, rows: Mapping[Kind, Rows], aside: Path, marks: Mapping[Kind, Mark]
) -> None:
    """Into the fresh file what can be read of the damaged one; a full disk leaves it there."""
    ranges = {kind: (mark.first, mark.next + _UNMARKED) for kind, mark in marks.items()}
    found = salvage(aside, ranges or dict.fromkeys(Kind, _UNKNOWN))
    said = {TABLES[kind]: len(envelopes) for kind, envelopes in found.rows.items()}
    try:
        db.execute("BEGIN IMMEDIATE")
        for kind, envelopes in found.rows.items():
            rows[kind].put(envelopes)
        db.executemany("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", found.checkpoints)
        db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", found.cursors)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        log.exception("buffer.salvage_failed", set_aside=str(aside), why=str(error))
    else:
        log.error("buffer.damaged", set_aside=str(aside), salvaged=said)


def missing(
    rows: Mapping[Kind, Rows], progress: Progress, marks: Mapping[Kind, Mark], reason: str
) -> Iterator[Loss]:
    """What the marks say was stored and is not here; at the most, where deletions vanished too."""
    for kind, mark in marks.items():
        held = rows[kind]
        # Vanished deletions bring old rows back, which must not hide vanished new ones.
        vanished = min(max(mark.next - held.next, 0), mark.count)
        # A crash may have come between a sink's ack and its mark.
        done = max(progress.slowest(kind) + 1 - mark.first, 0)
        lost = max(mark.count - held.count - done, vanished)
        if lost > 0:
            yield Loss(kind, reason, lost, held.newest_at() or 0, mark.newest_at)
