"""The alarm journal of a buffer that no daemon has open, without writing anything.

Promises
- The files are opened read-only: nothing is written, repaired, locked or left beside them.
- A symbolic link is refused. A damaged file gives the entries that can be read in it.
- A daemon that starts meanwhile is not disturbed; what it writes may be missing.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.api import private
from gateway.api.contracts import ConfigError
from gateway.buffer.database import FORMAT, is_damage
from gateway.buffer.journal_query import JournalPage, JournalQuery, journal_checksum, query
from gateway.buffer.repair.salvage import DamagedDatabase

TRIES = 3
"""How often it is read when a daemon writes to it at the same time."""


def read_file(path: Path, asked: JournalQuery) -> JournalPage:
    """The answer to a query from the buffer at `path`. Raises ConfigError."""
    try:
        for _ in range(TRIES):
            before = _state(path)
            page = _read(path, asked)
            if _state(path) == before:
                break
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return page


def _state(path: Path) -> list[tuple[int, int]]:
    """The sizes and times of the database and its WAL."""
    found = [each.stat() for each in (path, _log(path)) if each.exists()]
    return [(each.st_size, each.st_mtime_ns) for each in found]


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _read(path: Path, asked: JournalQuery) -> JournalPage:
    for each in (path, _log(path)):
        if each == path or os.path.lexists(each):
            os.close(private.open_file(each, os.O_RDONLY))
    # Without locks, and with the WAL's index in memory: no other file is made or needed.
    address = f"{path.absolute().as_uri()}?mode=ro&vfs=unix-none"
    with closing(sqlite3.connect(address, uri=True)) as db:
        db.text_factory = lambda text: text.decode(errors="replace")
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if 0 < version < FORMAT:
                raise ConfigError(
                    f"{path} was written by an earlier andon, which kept no journal; this one "
                    "begins it when it is started"
                )
            return query(db, asked)
        except sqlite3.Error as error:
            if not is_damage(error) and "no such" not in str(error):
                raise
    return _salvaged(path, asked)


def _salvaged(path: Path, asked: JournalQuery) -> JournalPage:
    """The entries on all pages that can be read; an entry may be on two of them."""
    with DamagedDatabase(path) as damaged:
        rows = {row[0]: row for page in damaged.content() for row in page.journal}
    chosen = [
        row
        for _, row in sorted(rows.items(), reverse=True)
        if row[0] < asked.before
        and asked.since <= row[1] < asked.until
        and asked.alarm in ("", row[3])
        and row[5] == journal_checksum(*row[:5])
    ]
    return JournalPage(chosen[: asked.limit], more=len(chosen) > asked.limit)
