"""The alarm journal of a buffer that no daemon has open, without writing anything.

Promises
- The files are opened read-only: nothing is written, repaired, locked or left beside them.
- A symbolic link is refused. A damaged file gives the entries that can be read in it.
- A daemon that starts meanwhile is not disturbed; what it writes may be missing.
"""

from pathlib import Path

from gateway.api.contracts import ConfigError
from gateway.buffer.database import FORMAT, Damaged
from gateway.buffer.journal_query import (
    NAME,
    JournalPage,
    JournalQuery,
    JournalRow,
    journal_checksum,
)
from gateway.buffer.repair.pages import Value
from gateway.buffer.repair.salvage import DamagedDatabase
from gateway.buffer.repair.tree import root_of, rows_backwards, user_version

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
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    return page


def _state(path: Path) -> list[tuple[int, int]]:
    """The sizes and times of the database and its WAL."""
    found = [each.stat() for each in (path, _log(path)) if each.exists()]
    return [(each.st_size, each.st_mtime_ns) for each in found]


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _read(path: Path, asked: JournalQuery) -> JournalPage:
    with DamagedDatabase(path) as files:
        try:
            if 0 < user_version(files.page) < FORMAT:
                raise ConfigError(
                    f"{path} was written by an earlier andon, which kept no journal; this one "
                    "begins it when it is started"
                )
            return _from_tree(files, asked)
        except Damaged:
            return _salvaged(files, asked)


def _from_tree(files: DamagedDatabase, asked: JournalQuery) -> JournalPage:
    page = JournalPage()
    root = root_of(NAME, files.page)
    if not root:
        raise Damaged("the schema names no journal")
    for seq, columns in rows_backwards(root, files.page):
        row = _sound(seq, columns)
        if row is None:
            page.damaged.append(seq)
        elif _fits(row, asked):
            if len(page.rows) == asked.limit:
                page.more = True
                break
            page.rows.append(row)
    return page


def _sound(seq: int, columns: list[Value]) -> JournalRow | None:
    match columns:
        case [None, int(at), int(recorded_at), str(alarm), bytes(body), int(crc)]:
            if crc == journal_checksum(seq, at, recorded_at, alarm, body):
                return seq, at, recorded_at, alarm, body, crc
    return None


def _fits(row: JournalRow, asked: JournalQuery) -> bool:
    seq, at, _, alarm, _, _ = row
    return seq < asked.before and asked.since <= at < asked.until and asked.alarm in ("", alarm)


def _salvaged(files: DamagedDatabase, asked: JournalQuery) -> JournalPage:
    """The entries on all pages that can be read; an entry may be on two of them."""
    rows = {row[0]: row for page in files.content() for row in page.journal}
    chosen = [row for _, row in sorted(rows.items(), reverse=True) if _fits(row, asked)]
    return JournalPage(chosen[: asked.limit], more=len(chosen) > asked.limit)
