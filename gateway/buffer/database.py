"""The buffer's SQLite file: its tables, how it is opened, and what its errors mean.

Promises
- A file that is damaged in its structure or its schema is not opened.
- WAL with synchronous=FULL: what was committed survives kill -9, a kernel crash and a power cut.
  EXCLUSIVE: no second connection can open the file, because SQLite up to 3.51.2 may corrupt it
  when two of them write and checkpoint at the same time.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.api.contracts import Fatal
from gateway.api.model import Kind
from gateway.buffer.losses import TABLE as LOSS

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
_SCHEMA = (
    *(_ROWS.format(name=name) for name in TABLES.values()),
    _CHECKPOINT,
    _CURSOR,
    _DEAD_LETTER,
    LOSS,
)
# With the format added the application's id: one flipped bit does not make a newer format.
_APPLICATION = int.from_bytes(b"and\0")
# Its page size, read and written as WAL, no bytes reserved, and three constants.
_HEADER = b"SQLite format 3\0" + bytes.fromhex("1000 0202 00 40 20 20")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# A sector that the disk does not give back.
_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)


class Damaged(Exception):  # noqa: N818 - a state of the file
    """The file's structure is broken in a way that SQLite itself did not notice."""


def is_damage(error: Exception) -> bool:
    """Whether the file is broken, as against full, locked or forbidden."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code & 0xFF in _DAMAGE or code in _UNREADABLE


# A file-size limit or a lost mount shows as a write error rather than as a full disk.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY)


def is_full(error: BaseException | None) -> bool:
    """Whether the disk has no room, or may not be written to."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _NO_ROOM or code & 0xFF in _NO_ROOM


def open_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, made if there is none. sqlite3.Error, Damaged or Fatal."""
    # isolation_level=None: transactions begin and end where the code says so.
    db = sqlite3.connect(path, isolation_level=None, timeout=0)
    # A damaged text is no reason to stop.
    db.text_factory = lambda text: text.decode(errors="replace")
    try:
        for pragma in (
            "page_size = 4096",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            # Deleted rows are zeroed: salvage takes every row that it sees for a stored one.
            "secure_delete = ON",
            "wal_autocheckpoint = 200",
            "journal_size_limit = 4194304",
            "trusted_schema = OFF",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        _check(db)
        _create(db, path)
        _check_schema(db, path)
        _fold(db)
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
    (confirmed,) = db.execute("PRAGMA application_id").fetchone()
    if found > FORMAT and confirmed == _APPLICATION + found:
        raise Fatal(f"the buffer {path} has format {found}, this andon knows {FORMAT} at the most")
    if found > FORMAT:
        raise Damaged(f"the format {found} is not confirmed")
    if found == FORMAT:
        # Nothing is written that need not be: the disk may be full.
        return
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute(f"PRAGMA application_id = {_APPLICATION + FORMAT}")
    db.execute("COMMIT")


def _check_schema(db: sqlite3.Connection, path: Path) -> None:
    """What `quick_check` lets pass: another word in the schema, a header that forbids to write."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for statement in _SCHEMA:
            fresh.execute(statement)
        if _words(db) != _words(fresh):
            raise Damaged("the schema is not what it should be")
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header != _HEADER:
        raise Damaged("the header is not what it should be")


def _words(db: sqlite3.Connection) -> list[list[str]]:
    """The schema, however its lines are broken."""
    statements = db.execute("SELECT name || ' ' || tbl_name || ' ' || sql FROM sqlite_master")
    return sorted(str(statement).split() for (statement,) in statements)


def _fold(db: sqlite3.Connection) -> None:
    """Empty the log, so that it never holds what a torn transaction left in an earlier life."""
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        if not is_full(error):
            raise
