"""The SQLite file of the buffer: its tables, opening it, and classifying its errors.

Promises
- A file with a damaged structure or schema is not opened.
- WAL with synchronous=FULL: committed data survives kill -9, a kernel crash and a power cut.
  EXCLUSIVE: no second connection can open the file, because SQLite up to 3.51.2 may corrupt it
  when two connections write and checkpoint at the same time.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.api.contracts import Fatal
from gateway.api.model import Kind
from gateway.buffer.losses import TABLE as LOSS
from gateway.buffer.open_files import WAL_SIZE, OpenFiles

FORMAT = 4
CHECK_S = 10.0
"""The time limit for checking a file at the start; the CRCs of rows detect the rest."""

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
_JOURNAL = """
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
    alarm TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL
)"""
_SCHEMA = (
    *(_ROWS.format(name=name) for name in TABLES.values()),
    _CHECKPOINT,
    _CURSOR,
    _DEAD_LETTER,
    LOSS,
    _JOURNAL,
    "CREATE INDEX IF NOT EXISTS journal_at ON journal (at)",
    "CREATE INDEX IF NOT EXISTS journal_alarm ON journal (alarm, at)",
)
# The application's id includes the format, so that a flipped bit is not taken for a newer format.
_APPLICATION = int.from_bytes(b"and\0")
# Page size 4096, read and write version WAL, no reserved bytes, and three constants.
_HEADER = b"SQLite format 3\0" + bytes.fromhex("1000 0202 00 40 20 20")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# A sector that the disk cannot read.
_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)


class Damaged(Exception):  # noqa: N818 - a state of the file
    """The structure of the file is damaged in a way that SQLite does not detect."""


def is_damage(error: Exception) -> bool:
    """Whether an error means a damaged file, as opposed to a full, locked or forbidden one."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code & 0xFF in _DAMAGE or code in _UNREADABLE


# A file-size limit or a lost mount shows as a write error rather than as a full disk.
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY)


def is_full(error: BaseException | None) -> bool:
    """Whether an error means that the disk is full or not writable."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _NO_ROOM or code & 0xFF in _NO_ROOM


class Database(sqlite3.Connection):
    """A connection that knows its files, and closes them after itself."""

    files: OpenFiles
    is_closed = False

    def close(self) -> None:
        """Closes the connection, then the files."""
        super().close()
        if not self.is_closed:
            self.is_closed = True
            self.files.close()


def _connect(path: Path) -> Database:
    files = OpenFiles(path)
    try:
        # isolation_level=None: transactions begin and end where the code says so.
        db = sqlite3.connect(path, isolation_level=None, timeout=0, factory=Database)
    except BaseException:
        files.close()
        raise
    db.files = files
    return db


def open_database(path: Path) -> Database:
    """Opens the database at `path`, or creates it.

    Raises sqlite3.Error, Damaged, Fatal, or OSError if a file of it is no plain file.
    """
    db = _connect(path)
    # Damaged text must not raise.
    db.text_factory = lambda text: text.decode(errors="replace")
    try:
        for pragma in (
            "page_size = 4096",
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            # Zeroes deleted rows, since salvage takes every row on a page for a stored one.
            "secure_delete = ON",
            "wal_autocheckpoint = 200",
            f"journal_size_limit = {WAL_SIZE}",
            "trusted_schema = OFF",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        _check(db)
        _create(db, path)
        # A damaged index would hide sound entries from those who look for them.
        _check(db, "integrity_check(journal)")
        _check_schema(db)
        _truncate_wal(db)
        db.files.note()
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, check: str = "quick_check(1)") -> None:
    deadline = time.monotonic() + CHECK_S
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        result = db.execute(f"PRAGMA {check}").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        db.set_progress_handler(None, 0)
    if result != [("ok",)]:
        raise Damaged(f"{check}: {result[0][0]}")


def _create(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if version > FORMAT and application == _APPLICATION + version:
        raise Fatal(f"the buffer {path} has format {version}, this andon reads up to {FORMAT}")
    if version > FORMAT:
        raise Damaged(f"the application id does not confirm format {version}")
    if version == FORMAT:
        # Avoids needless writes: the disk may be full.
        return
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute(f"PRAGMA application_id = {_APPLICATION + FORMAT}")
    db.execute("COMMIT")


def _check_schema(db: Database) -> None:
    """Detects damage that `quick_check` misses: a changed schema, a header that forbids writing."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for statement in _SCHEMA:
            fresh.execute(statement)
        if _statements(db) != _statements(fresh):
            raise Damaged("the schema differs from the expected one")
    if db.files.head(len(_HEADER)) != _HEADER:
        raise Damaged("the header differs from the expected one")


def _statements(db: sqlite3.Connection) -> list[list[str]]:
    """The statements of the schema as words, independent of line breaks."""
    statements = db.execute("SELECT name || ' ' || tbl_name || ' ' || sql FROM sqlite_master")
    return sorted(str(statement).split() for (statement,) in statements)


def _truncate_wal(db: sqlite3.Connection) -> None:
    """Empties the WAL, so that it never holds remains of an earlier torn transaction."""
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        if not is_full(error):
            raise
