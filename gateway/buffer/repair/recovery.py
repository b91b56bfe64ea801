"""What happens when a buffer is opened: is all of it there, and what can be had of a damaged one.

Promises
- Only damage replaces a file. One that cannot be opened for another reason (no permission, disk
  full, written by a newer andon) is left alone and ends the process.
- What a damaged file still holds is in the fresh one before anything new is stored.
- A kill while that is done costs nothing: the next start does it again, or finishes it.
- What the marks say was stored and the file does not hold is a loss, counted and journalled.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from gateway.api.contracts import Fatal
from gateway.api.model import Kind, Loss, Nanos
from gateway.buffer.ballast import Ballast
from gateway.buffer.cursors import Cursors
from gateway.buffer.database import TABLES, Damaged, is_damage, is_full, open_database
from gateway.buffer.repair import replace as aside
from gateway.buffer.repair.high_water import Mark
from gateway.buffer.repair.pages import Found
from gateway.buffer.repair.salvage import DamagedDatabase
from gateway.buffer.rows import Rows
from gateway.telemetry.systemd import notify

log = structlog.get_logger()

_AT_ONCE = 1_000
"""Pages that are taken over in one transaction."""
_SAY_S = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The one connection, and where a damaged predecessor went, if there was one."""

    db: sqlite3.Connection
    set_aside: Path | None = None


def open_or_replace(
    path: Path, now: Nanos, marks: Mapping[Kind, Mark], ballast: Ballast, *, is_damaged: bool
) -> Opened:
    """The database at `path`, or a fresh one with what could be salvaged of it. Raises Fatal.

    On a full disk at the ballast's cost. `is_damaged`: it is known to be.
    """
    try:
        gone = aside.finish(path)
        if is_damaged or _is_hiding(path, marks):
            gone = _replace(path, now, marks, ballast)
        try:
            return Opened(_open(path, ballast), gone)
        except (sqlite3.Error, Damaged) as error:
            if not is_damage(error):
                raise
            log.error("buffer.unusable", why=str(error))
        gone = _replace(path, now, marks, ballast)
        return Opened(_open(path, ballast), gone)
    except (sqlite3.Error, OSError, Damaged) as error:
        raise Fatal(f"the buffer {path} cannot be opened: {error}") from error


def _is_hiding(path: Path, marks: Mapping[Kind, Mark]) -> bool:
    """Whether SQLite would drop some of the log that somebody was told is stored."""
    if not (path.is_file() and path.with_name(path.name + "-wal").exists()):
        return False
    with DamagedDatabase(path) as damaged:
        return damaged.hides(marks)


def _open(path: Path, ballast: Ballast) -> sqlite3.Connection:
    try:
        return open_database(path)
    except sqlite3.Error as error:
        if not is_full(error) or not ballast.release():
            raise
        return open_database(path)


def _replace(path: Path, now: Nanos, marks: Mapping[Kind, Mark], ballast: Ballast) -> Path:
    """Put a fresh database in place of a closed, damaged one, with what is sound in that."""
    for kinds in (tuple(Kind), (Kind.ALERT,), ()):
        partial = aside.unfinished(path)
        try:
            said = _fill(partial, path, kinds, marks)
        except sqlite3.Error as error:
            if not is_full(error) or not kinds:
                raise
            ballast.release()
            log.error("buffer.salvage_cut", why=str(error))
        else:
            break
    gone = aside.replace(path, partial, now)
    log.error("buffer.damaged", set_aside=str(gone), salvaged=said)
    return gone


def _fill(
    partial: Path, path: Path, kinds: Iterable[Kind], marks: Mapping[Kind, Mark]
) -> dict[str, int]:
    """Into a fresh database all sound rows of these classes; how many of each there were."""
    first = {kind: marks.get(kind, Mark()).first for kind in kinds}
    with DamagedDatabase(path) as damaged, closing(open_database(partial)) as db:
        rows = {kind: Rows(db, kind) for kind in kinds}
        for found in _in_batches(damaged):
            db.execute("BEGIN IMMEDIATE")
            for kind, held in rows.items():
                # What is before the first one is gone for good, whatever else brought it back.
                held.put([e for e in found.rows if e.kind is kind and e.key >= first[kind]])
            db.executemany("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", found.checkpoints)
            db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", found.cursors)
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        for held in rows.values():
            held.measure()
    return {TABLES[kind]: held.count for kind, held in rows.items()}


def _in_batches(damaged: DamagedDatabase) -> Iterator[Found]:
    """What a damaged holds, many pages at a time; says how far it is."""
    batch, said_at = Found(), time.monotonic()
    for number, found in enumerate(damaged.content(), 1):
        batch.add(found)
        if number % _AT_ONCE == 0:
            yield batch
            batch = Found()
            if time.monotonic() - said_at > _SAY_S:
                said_at = time.monotonic()
                log.warning("buffer.salvaging", pages=number, of=damaged.pages)
                # It is long, but it gets on: systemd must not take it for a hang.
                notify("WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000")
    yield batch


def mark_of(rows: Rows, leased: int) -> Mark:
    """What is to be remembered of a class."""
    return Mark(rows.first(), rows.next, rows.count, rows.newest_at() or 0, leased)


def without(rows: Rows, before: tuple[int, int], old: Mark | None) -> Mark:
    """The old mark, less what a transaction deletes; what it inserts is not yet sure.

    `before` it were the next number and the count. What is missing and not yet journalled the
    mark goes on to claim.
    """
    old = old or Mark()
    next_before, count_before = before
    deleted = count_before + rows.next - next_before - rows.count
    return replace(old, first=min(rows.first(), old.next), count=max(old.count - deleted, 0))


def missing(
    rows: Mapping[Kind, Rows], progress: Cursors, marks: Mapping[Kind, Mark], reason: str
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
