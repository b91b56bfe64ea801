"""What is read out of a damaged database: pages of the file and of its log, the newest state."""

import os
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest

from gateway.api.model import Envelope, Kind
from gateway.buffer import database
from gateway.buffer.repair import salvage
from gateway.buffer.repair.high_water import Mark
from gateway.buffer.repair.salvage import DamagedDatabase
from gateway.buffer.repair.wal import PAGE
from gateway.buffer.rows import PointTable, checksum

A, S, G, C = Kind
HEAD, FRAME = 32, 24 + PAGE


class Writer:
    """A database that is written to, and copied with its log while it is open."""

    def __init__(self, path):
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("page_size = 4096", "journal_mode = WAL", "wal_autocheckpoint = 0"):
            self.db.execute(f"PRAGMA {pragma}").fetchall()
        self.db.execute("PRAGMA secure_delete = ON")
        database._create(self.db, path)
        self.checkpoint()

    def checkpoint(self):
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def insert(self, kind, *bodies):
        self.db.execute("BEGIN")
        rows = PointTable(self.db, kind)
        rows.measure()
        rows.insert([Envelope(kind, 1, body) for body in bodies])
        self.db.execute("COMMIT")

    def save(self, name, state):
        row = (name, state, checksum(name, state))
        self.db.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", row)

    def copied(self, name="copy.db"):
        """The files as a kill leaves them."""
        copy = self.path.with_name(name)
        copy.write_bytes(self.path.read_bytes())
        log = self.path.with_name(self.path.name + "-wal").read_bytes()
        copy.with_name(copy.name + "-wal").write_bytes(log)
        return copy


@pytest.fixture
def writer(tmp_path):
    made = Writer(tmp_path / "some.db")
    yield made
    made.db.close()


def log_of(path):
    return path.with_name(path.name + "-wal")


def change(path, at, new):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(new)] = new
    path.write_bytes(raw)


def read(path):
    """All content: bodies by class, states by name."""
    with DamagedDatabase(path) as damaged:
        pages = list(damaged.content())
    rows = {(row.kind, row.key): row.body for each in pages for row in each.rows}
    return rows, {name: state for each in pages for name, state, _ in each.checkpoints}


def test_what_is_in_the_file_and_in_its_log_is_found(writer):
    writer.insert(A, b"one")
    writer.save("pump", b"old")
    writer.checkpoint()
    writer.insert(A, b"two")
    writer.insert(S, b"three")
    writer.save("pump", b"new")
    rows, states = read(writer.copied())
    assert rows == {(A, 1): b"one", (A, 2): b"two", (S, 1): b"three"}
    assert states == {"pump": b"new"}


def test_without_a_log_the_file_is_read_alone(writer):
    writer.insert(A, b"one")
    writer.checkpoint()
    copy = writer.copied()
    log_of(copy).unlink()
    with DamagedDatabase(copy) as damaged:
        assert damaged.wal.frames == []
        assert damaged.pages == copy.stat().st_size // PAGE
    assert read(copy)[0] == {(A, 1): b"one"}


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError, match="some"):
        DamagedDatabase(tmp_path / "some.db")


def test_a_file_that_was_cut_in_a_page_is_read_to_its_end(writer):
    writer.insert(A, b"one")
    writer.checkpoint()
    copy = writer.copied()
    copy.write_bytes(copy.read_bytes()[:-1])
    with DamagedDatabase(copy) as damaged:
        assert damaged.pages * PAGE == copy.stat().st_size + 1
        assert len(damaged._on_disk(damaged.pages)) == PAGE
        assert damaged._on_disk(damaged.pages)[-1:] == b"\0"


def test_only_the_newest_state_of_a_page_counts_even_a_damaged_one(writer):
    """What was deleted does not come back because the page that says so was hit."""
    writer.insert(A, b"one", b"two")
    writer.checkpoint()
    writer.db.execute("DELETE FROM alert WHERE seq = 1")
    copy = writer.copied()
    frames = (log_of(copy).stat().st_size - HEAD) // FRAME
    for number in range(frames):
        change(log_of(copy), HEAD + number * FRAME + 24 + PAGE - 40, b"\xff" * 4)
    assert (A, 1) not in read(copy)[0]


def test_a_row_that_goes_on_over_pages_of_the_log_is_found(writer):
    writer.insert(A, b"x" * 20_000)
    assert read(writer.copied())[0] == {(A, 1): b"x" * 20_000}


def test_the_files_are_only_read_and_closed_again(writer):
    writer.insert(A, b"one")
    copy = writer.copied()
    before = copy.read_bytes(), log_of(copy).read_bytes()
    with DamagedDatabase(copy) as damaged:
        handle = damaged._file
        list(damaged.content())
    assert (copy.read_bytes(), log_of(copy).read_bytes()) == before
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)


def test_a_sector_that_the_disk_does_not_give_is_zero(writer, monkeypatch):
    writer.insert(A, b"one")
    writer.checkpoint()
    writer.insert(S, b"two")
    copy = writer.copied()
    real, asked = os.pread, []

    def failing(handle, size, at):
        asked.append((size, at))
        if at == 0:
            raise OSError("input/output error")
        return real(handle, size, at)

    monkeypatch.setattr(salvage.os, "pread", failing)
    with DamagedDatabase(copy) as damaged:
        assert damaged._on_disk(1) == bytes(PAGE)
        assert damaged._on_disk(2) != bytes(PAGE)
        assert damaged.page(0) == damaged.page(damaged.pages + 1) == b""
    assert all(size == PAGE and at % PAGE == 0 for size, at in asked)


def hides(path, **marks):
    with DamagedDatabase(path) as damaged:
        return damaged.hides({Kind[name.upper()]: mark for name, mark in marks.items()})


def damage_frame(path, number):
    change(log_of(path), HEAD + number * FRAME + 24 + 100, b"\xff\xff")


def commits(path):
    """The numbers of the frames that end a transaction."""
    with DamagedDatabase(path) as damaged:
        return [n for n, frame in enumerate(damaged.wal.frames) if frame.commits]


def test_a_whole_log_hides_nothing(writer):
    writer.insert(A, b"one")
    assert hides(writer.copied(), alert=Mark(next=2)) is False
    assert hides(writer.copied(), alert=Mark(next=99)) is False


def test_two_transactions_behind_a_damaged_frame_are_hidden(writer):
    for body in (b"one", b"two", b"three"):
        writer.insert(A, body)
    copy = writer.copied()
    damage_frame(copy, commits(copy)[1])
    assert hides(copy) is True


def test_the_last_transaction_is_hidden_only_if_the_marks_claim_it(writer):
    """It may be a torn one; the marks are written after the commit."""
    for body in (b"one", b"two", b"three"):
        writer.insert(A, body)
    copy = writer.copied()
    damage_frame(copy, commits(copy)[-1])
    assert hides(copy, alert=Mark(next=3)) is False
    assert hides(copy, alert=Mark(next=4)) is True
    assert hides(copy, summary=Mark(next=1)) is False
    assert hides(copy, summary=Mark(next=2)) is True


def test_how_far_the_numbers_have_come_is_in_the_newest_page_that_says_it(writer):
    writer.insert(A, b"one")
    writer.checkpoint()
    writer.insert(A, b"two")
    writer.insert(A, b"three")
    copy = writer.copied()
    with DamagedDatabase(copy) as damaged:
        assert damaged._last_numbers() == {A: 3}
    log_of(copy).write_bytes(b"")
    with DamagedDatabase(copy) as damaged:
        assert damaged._last_numbers() == {A: 1}


def test_where_no_page_has_the_numbers_a_hidden_transaction_may_be_anything(writer):
    for body in (b"one", b"two"):
        writer.insert(A, body)
    copy = writer.copied()
    damage_frame(copy, commits(copy)[-1])
    with DamagedDatabase(copy) as damaged:
        damaged._on_disk = lambda _: bytes(PAGE)
        damaged.wal.frames.clear()
        assert damaged._last_numbers() == {}
        assert damaged.hides({A: Mark(next=1)}) is False
        assert damaged.hides({A: Mark(next=2)}) is True


def test_an_empty_file_with_a_log_hides_what_is_in_that(writer):
    writer.insert(A, b"one")
    copy = writer.copied()
    copy.write_bytes(b"")
    assert hides(copy) is True
    log_of(copy).write_bytes(b"")
    assert hides(copy) is False


def a_database(pages, log):
    """One that has these pages on disk and in its log, without files."""
    made = object.__new__(DamagedDatabase)
    made.pages, made._newest, made._log = len(pages), {}, log
    made._on_disk = lambda number: pages[number - 1]
    return made


def test_every_page_comes_once_as_it_was_last_those_of_the_file_first():
    new, old, unsure = b"new", b"old", b"unsure"
    made = a_database(
        [b"p1", b"p2", b"p3"], [((2,), old), ((2,), new), ((3, 4), unsure), ((), b"?")]
    )
    made._newest = {2: new}
    assert list(made._pages()) == [
        ((1,), b"p1"),
        ((3,), b"p3"),
        ((2,), new),
        ((3, 4), unsure),
        ((), b"?"),
    ]
    assert [made.page(n) for n in (0, 1, 2, 3, 4)] == [b"", b"p1", new, b"p3", b""]


def content_of(monkeypatch, *pages):
    """The states that are left of pages which each say (numbers, name, state)."""
    made = object.__new__(DamagedDatabase)
    made._pages = lambda: iter([(numbers, (name, state)) for numbers, name, state in pages])
    made.page = None

    def read(page, _):
        name, state = page
        rows = [(name, state, 0)] if name else []
        return SimpleNamespace(rows=[], journal=[], cursors=[], checkpoints=rows)

    monkeypatch.setattr(salvage.pages, "read", read)
    return {name: state for each in made.content() for name, state, _ in each.checkpoints}


def test_a_state_that_a_page_without_a_number_may_have_replaced_is_not_taken(monkeypatch):
    pages = [((1,), "pump", b"old"), ((2,), "fan", b"old")]
    assert content_of(monkeypatch, *pages) == {"pump": b"old", "fan": b"old"}
    assert content_of(monkeypatch, *pages, ((), "", b"")) == {}
    assert content_of(monkeypatch, *pages, ((1, 7), "", b"")) == {"fan": b"old"}
    assert content_of(monkeypatch, *pages, ((7, 8), "x", b"1")) == {
        "pump": b"old", "fan": b"old", "x": b"1",
    }  # fmt: skip
    assert content_of(monkeypatch, *pages, ((3,), "pump", b"new")) == {
        "pump": b"new", "fan": b"old",
    }  # fmt: skip


def frame(numbers, page=b"page"):
    return SimpleNamespace(numbers=numbers, page=page)


def resolved(rows, frame, how_many, monkeypatch):
    """The numbers that a frame is resolved to; `rows` by page."""
    made = object.__new__(DamagedDatabase)
    made._newest = {}
    made._rows_on = lambda page: rows.get(page, set())
    made.page = lambda number: number
    monkeypatch.setattr(salvage.pages, "row_count", lambda _: how_many)
    numbers = made._resolved(frame)
    assert made._newest == ({numbers[0]: frame.page} if len(numbers) == 1 else {})
    return numbers


def test_a_frame_with_one_number_or_none_is_resolved(monkeypatch):
    assert resolved({}, frame((4,)), 9, monkeypatch) == (4,)
    assert resolved({}, frame(()), 9, monkeypatch) == ()


def test_the_rows_on_a_page_tell_which_of_two_it_is(monkeypatch):
    rows = {b"page": {1, 2}, 4: {8, 9}, 7: {2, 3}}
    assert resolved(rows, frame((4, 7)), 2, monkeypatch) == (7,)
    assert resolved(rows | {4: {1}}, frame((4, 7)), 2, monkeypatch) == (4, 7)
    assert resolved({b"page": {1, 2}}, frame((4, 7)), 2, monkeypatch) == (4, 7)


def test_a_page_that_lacks_a_row_was_itself_hit_and_its_number_is_right(monkeypatch):
    assert resolved({b"page": {1}}, frame((4, 7)), 2, monkeypatch) == (4,)
    assert resolved({b"page": {1}, 7: {1}}, frame((4, 7)), 2, monkeypatch) == (4,)


def test_rows_differ_by_class_and_number(writer):
    writer.insert(A, b"one", b"two")
    writer.checkpoint()
    with DamagedDatabase(writer.copied()) as damaged:
        pages = [damaged._rows_on(damaged._on_disk(n)) for n in range(1, damaged.pages + 1)]
        assert damaged._rows_on(b"") == set()
    assert [rows for rows in pages if rows] == [{(A, 1), (A, 2)}]


def test_a_file_in_pieces_is_read_whole(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(bytes(range(256)) * 50)
    assert salvage._readable(path) == path.read_bytes()
    with closing(path.open("rb")) as file:
        assert salvage._piece(file.fileno(), 1) == path.read_bytes()[PAGE : 2 * PAGE]
