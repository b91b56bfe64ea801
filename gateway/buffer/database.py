"""Opening the buffer's SQLite file, whatever state it is in.

Promises
- A damaged file is set aside under another name, never deleted, and a fresh one takes its place:
  the daemon always starts.
- Only damage does that. A file that cannot be opened for another reason (no permission, disk
  full, written by a newer andon) is left alone and ends the process.
- WAL with synchronous=FULL: what was committed survives kill -9, a kernel crash and a power cut.
  EXCLUSIVE: no second connection can open the file, because SQLite up to 3.51.2 may corrupt it
  when two of them write and checkpoint at the same time.
"""

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.buffer.losses import TABLE as LOSS
from gateway.model import SECOND, Kind, Nanos
from gateway.supervise import Fatal

FORMAT = 3
CHECK_S = 10.0
"""The check of a large file at the start may take this long; what is left is found by the CRCs."""

TABLES = {
    Kind.ALERT: "alert",
    Kind.SUMMARY: "summary",
    Kind.GATEWAY: "gateway",
    Kind.CLIP: "clip",
}

# One table per class, so that evicting summaries frees whole pages for alerts.
_ROWS = """
CREATE TABLE IF NOT EXISTS {name} (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, version INTEGER NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL
)"""
_CHECKPOINT = """
CREATE TABLE IF NOT EXISTS checkpoint (
    name TEXT PRIMARY KEY, state BLOB NOT NULL, crc INTEGER NOT NULL
) WITHOUT ROWID"""
_CURSOR = """
CREATE TABLE IF NOT EXISTS cursor (
    sink TEXT, kind INTEGER, seq INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (sink, kind)
) WITHOUT ROWID"""
_DEAD_LETTER = """
CREATE TABLE IF NOT EXISTS dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, kind INTEGER NOT NULL,
    seq INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, why TEXT NOT NULL,
    rejected_at INTEGER NOT NULL
)"""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(Exception):  # noqa: N818 - a state of the file
    """The file's structure is broken in a way that SQLite itself did not notice."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The one connection, and where a damaged predecessor went, if there was one."""

    db: sqlite3.Connection
    set_aside: Path | None = None


def is_damage(error: Exception) -> bool:
    """Whether the file is broken, as against full, locked or forbidden."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code & 0xFF in _DAMAGE


# A file-size limit or a lost mount shows as a write error rather than as a full disk.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY)


def is_full(error: BaseException | None) -> bool:
    """Whether the disk has no room, or may not be written to."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _NO_ROOM or code & 0xFF in _NO_ROOM


def open_or_set_aside(path: Path, now: Nanos) -> Opened:
    """The database at `path`, a fresh one if it is damaged. Raises Fatal for everything else."""
    try:
        try:
            return Opened(_open(path))
        except (sqlite3.Error, Damaged) as error:
            if not is_damage(error):
                raise
        aside = set_aside(path, now)
        return Opened(_open(path), aside)
    except (sqlite3.Error, OSError, Damaged) as error:
        raise Fatal(f"the buffer {path} cannot be opened: {error}") from error


def set_aside(path: Path, now: Nanos) -> Path:
    """Rename a closed database, with its log, to `*.corrupt-<time>`; returns the new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // SECOND))
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _open(path: Path) -> sqlite3.Connection:
    # isolation_level=None: transactions begin and end where the code says so.
    db = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        for pragma in (
            "page_size = 4096",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            # Often, because a damaged log loses everything after the damage without a word.
            "wal_autocheckpoint = 200",
            "journal_size_limit = 4194304",
            "trusted_schema = OFF",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        _check(db)
        _create(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection) -> None:
    deadline = time.monotonic() + CHECK_S
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        db.set_progress_handler(None, 0)
    if found != [("ok",)]:
        raise Damaged(f"quick_check: {found}")


def _create(db: sqlite3.Connection, path: Path) -> None:
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise Fatal(f"the buffer {path} has format {found}, this andon knows {FORMAT} at the most")
    if found == FORMAT:
        # Nothing is written that need not be: the disk may be full.
        return
    db.execute("BEGIN IMMEDIATE")
    for name in TABLES.values():
        db.execute(_ROWS.format(name=name))
    for statement in (_CHECKPOINT, _CURSOR, _DEAD_LETTER, LOSS):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")
