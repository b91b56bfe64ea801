"""The rows of a table as its tree holds them, against SQLite's own answer."""

import sqlite3
from contextlib import closing

import pytest

from gateway.buffer import database
from gateway.buffer.database import Damaged
from gateway.buffer.journal import JournalTable
from gateway.buffer.repair.tree import root_of, rows_backwards, user_version
from gateway.buffer.repair.wal import PAGE
from gateway.core.alarms.journal import note


def pages_of(count, length=50):
    """The pages of a database with so many entries, and its rows by SQLite."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        database._create(db, None)
        entries = [note(n, "x" * (length if n % 50 else 9_000)) for n in range(1, count + 1)]
        JournalTable(db).insert(entries, 7)
        rows = db.execute("SELECT * FROM journal ORDER BY seq DESC").fetchall()
        raw = db.serialize()
    return [raw[at : at + PAGE] for at in range(0, len(raw), PAGE)], rows


def reader(pages):
    return lambda number: pages[number - 1] if 0 < number <= len(pages) else b""


@pytest.mark.parametrize("count", [0, 1, 200, 30_000])
def test_all_rows_come_with_the_highest_numbers_first(count):
    pages, rows = pages_of(count)
    page_at = reader(pages)
    root = root_of("journal", page_at)
    assert [(seq, *columns[1:]) for seq, columns in rows_backwards(root, page_at)] == rows
    assert user_version(page_at) == database.FORMAT


def test_only_the_pages_that_are_asked_for_are_read():
    pages, _ = pages_of(30_000)
    page_at, read = reader(pages), []
    root = root_of("journal", page_at)
    next(rows_backwards(root, lambda number: read.append(number) or page_at(number)))
    assert len(read) <= 6


def test_a_table_that_is_not_there_has_no_page():
    assert root_of("nosuch", reader(pages_of(1)[0])) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(PAGE),
        bytes([0x0A]) + bytes(PAGE - 1),
        b"\x0d\0\0\xff\xff" + bytes(PAGE - 5),
        b"\x05\0\0\0\1\0\0\0" + (2).to_bytes(4) + b"\xff\xff" + bytes(PAGE - 14),
        # An interior page that leads to itself.
        b"\x05\0\0\0\0\0\0\0" + (2).to_bytes(4) + bytes(PAGE - 12),
    ],
    ids=["none", "zeros", "index", "too many cells", "a cell outside", "a circle"],
)
def test_what_is_no_tree_is_damage(content):
    with pytest.raises(Damaged):
        list(rows_backwards(2, reader([b"", content])))
