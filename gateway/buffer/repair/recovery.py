"""Opens a buffer; replaces a damaged one by its sound rows, and detects missing rows.

Promises
- Only damage replaces a file. A file that cannot be opened for another reason (no permission, disk
  full, written by a newer andon) is left alone and ends the process.
- The sound rows of a damaged file are in the fresh one before anything new is stored.
- A kill during that costs nothing: the next start repeats or finishes it.
- Rows that the high-water marks claim and the file lacks are a loss, counted and recorded; so are
  entries of the journal.
"""

import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from gateway.api.contracts import Fatal
from gateway.api.model import Kind, Loss, Nanos
from gateway.buffer.ballast import Ballast
from gateway.buffer.cursors import Cursors
from gateway.buffer.database import TABLES, Damaged, Database, is_damage, is_full, open_database
from gateway.buffer.journal import JournalTable
from gateway.buffer.repair import replace as replacement
from gateway.buffer.repair.high_water import JOURNAL, Class, Mark
from gateway.buffer.repair.pages import PageContent
from gateway.buffer.repair.salvage import DamagedDatabase
from gateway.buffer.rows import PointTable
from gateway.telemetry.systemd import notify

log = structlog.get_logger()

_AT_ONCE = 1_000
"""The number of pages copied in one transaction."""
_PROGRESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The single connection, and the new path of a damaged predecessor, if there was one."""

    db: Database
    set_aside: Path | None = None


def open_or_replace(
    path: Path, now: Nanos, marks: Mapping[Class, Mark], ballast: Ballast, *, is_damaged: bool
) -> Opened:
    """Opens the database at `path`, or a fresh one with its sound rows. Raises Fatal.

    On a full disk the ballast is released. With `is_damaged` the file is always replaced.
    """
    try:
        gone = replacement.finish(path)
        if is_damaged or _has_hidden_commits(path, marks):
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
        why = getattr(error, "strerror", None) or error
        raise Fatal(f"the buffer {path} cannot be opened: {why}") from error


def _has_hidden_commits(path: Path, marks: Mapping[Class, Mark]) -> bool:
    """Whether SQLite would drop a part of the WAL that was acknowledged as stored."""
    if not (path.is_file() and path.with_name(path.name + "-wal").exists()):
        return False
    with DamagedDatabase(path) as damaged:
        return damaged.hides(marks)


def _open(path: Path, ballast: Ballast) -> Database:
    try:
        return open_database(path)
    except sqlite3.Error as error:
        if not is_full(error) or not ballast.release():
            raise
        return open_database(path)


def _replace(path: Path, now: Nanos, marks: Mapping[Class, Mark], ballast: Ballast) -> Path:
    """Replaces a closed, damaged database by a fresh one with its sound rows."""
    journal: tuple[Class, ...] = (JOURNAL,)
    for kept in ((*Kind, *journal), (Kind.ALERT, *journal), (Kind.ALERT,), ()):
        partial = replacement.unfinished(path)
        try:
            salvaged = _fill(partial, path, kept, marks)
        except sqlite3.Error as error:
            if not is_full(error) or not kept:
                raise
            ballast.release()
            log.error("buffer.salvage_cut", why=str(error))
        else:
            break
    gone = replacement.swap_in(path, partial, now)
    log.error("buffer.damaged", set_aside=str(gone), salvaged=salvaged)
    return gone


def _fill(
    partial: Path, path: Path, kept: Collection[Class], marks: Mapping[Class, Mark]
) -> dict[str, int]:
    """Copies all sound rows of these classes into a fresh database; the number of each."""
    first = {each: marks.get(each, Mark()).first for each in kept}
    with DamagedDatabase(path) as damaged, closing(open_database(partial)) as db:
        tables = {kind: PointTable(db, kind) for kind in Kind if kind in kept}
        journal = JournalTable(db)
        for batch in _in_batches(damaged):
            db.execute("BEGIN IMMEDIATE")
            for kind, table in tables.items():
                # Rows before the first number were deleted, even if a page still holds them.
                table.put([e for e in batch.rows if e.kind is kind and e.key >= first[kind]])
            if JOURNAL in kept:
                journal.put([row for row in batch.journal if row[0] >= first[JOURNAL]])
            db.executemany("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", batch.checkpoints)
            db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", batch.cursors)
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        journal.measure()
        for table in tables.values():
            table.measure()
    counts = {TABLES[kind]: table.count for kind, table in tables.items()}
    return counts | ({JOURNAL: journal.count} if JOURNAL in kept else {})


def _in_batches(damaged: DamagedDatabase) -> Iterator[PageContent]:
    """The content of a damaged database, many pages at a time; logs its progress."""
    batch, logged_at = PageContent(), time.monotonic()
    for number, content in enumerate(damaged.content(), 1):
        batch.add(content)
        if number % _AT_ONCE == 0:
            yield batch
            batch = PageContent()
            if time.monotonic() - logged_at > _PROGRESS_S:
                logged_at = time.monotonic()
                log.warning("buffer.salvaging", pages=number, of=damaged.pages)
                # It takes long but makes progress: systemd must not take it for a hang.
                notify("WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000")
    yield batch


def mark_of(rows: PointTable | JournalTable, leased: int) -> Mark:
    """The high-water mark of a class."""
    return Mark(rows.first(), rows.next, rows.count, rows.newest_at() or 0, leased)


def without(rows: PointTable | JournalTable, before: tuple[int, int], old: Mark | None) -> Mark:
    """The old mark without the rows that a transaction deletes; its insertions are not added.

    `before` holds the next number and the count before the transaction. The mark still claims rows
    that are missing and not yet journalled.
    """
    old = old or Mark()
    next_before, count_before = before
    deleted = count_before + rows.next - next_before - rows.count
    return replace(old, first=min(rows.first(), old.next), count=max(old.count - deleted, 0))


def missing(
    rows: Mapping[Kind, PointTable], cursors: Cursors, marks: Mapping[Class, Mark], reason: str
) -> Iterator[Loss]:
    """The rows that the marks claim and the tables lack; an upper bound if deletions are lost."""
    for kind, table in rows.items():
        mark = marks.get(kind, Mark())
        # Lost deletions bring old rows back, which must not hide lost new ones.
        vanished = min(max(mark.next - table.next, 0), mark.count)
        # A crash may have happened between a sink's ack and its mark.
        done = max(cursors.slowest(kind) + 1 - mark.first, 0)
        lost = max(mark.count - table.count - done, vanished)
        if lost > 0:
            yield Loss(kind, reason, lost, table.newest_at() or 0, mark.newest_at)


def missing_entries(journal: JournalTable, mark: Mark | None) -> int:
    """The number of entries that the mark claims and the journal lacks."""
    if mark is None:
        return 0
    vanished = min(max(mark.next - journal.next, 0), mark.count)
    return max(mark.count - journal.count, vanished)
