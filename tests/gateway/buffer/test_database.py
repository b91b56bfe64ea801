"""The SQLite file: its pragmas and tables, what is refused, and what its errors mean."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest

from gateway.api.contracts import Fatal
from gateway.api.model import Kind
from gateway.buffer import database
from gateway.buffer.database import Damaged, is_damage, is_full, open_database

LISTED = {
    "alert", "summary", "gateway", "clip", "checkpoint", "cursor", "dead_letter", "loss", "journal",
}  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db"


def error(code):
    made = sqlite3.OperationalError("from sqlite")
    made.sqlite_errorcode = code
    return made


def pragma(db, name):
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def changed(path, *statements):
    """The file as another program leaves it."""
    open_database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def test_a_fresh_file_has_one_table_a_class_and_those_beside_them(path):
    with closing(open_database(path)) as db:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        assert {name for (name,) in db.execute(query)} == LISTED
        assert pragma(db, "user_version") == 4
        assert pragma(db, "application_id") == int.from_bytes(b"and\4")
    assert set(database.TABLES) == set(Kind)


def test_the_file_is_opened_for_durability_and_for_one_connection(path):
    with closing(open_database(path)) as db:
        asked = {
            "page_size": 4096,
            "locking_mode": "exclusive",
            "journal_mode": "wal",
            "synchronous": 2,
            "secure_delete": 1,
            "wal_autocheckpoint": 200,
            "journal_size_limit": 4194304,
            "trusted_schema": 0,
        }
        assert {name: pragma(db, name) for name in asked} == asked
        assert db.isolation_level is None


def test_a_file_that_is_locked_is_not_waited_for(path):
    with closing(open_database(path)), pytest.raises(sqlite3.OperationalError, match="locked"):
        open_database(path)


def test_what_was_stored_is_there_when_it_is_opened_again_and_the_log_is_empty(path):
    with closing(open_database(path)) as db:
        db.execute("INSERT INTO checkpoint VALUES ('a', x'00', 1)")
    with closing(open_database(path)) as db:
        assert db.execute("SELECT name FROM checkpoint").fetchall() == [("a",)]
        assert path.with_name("buffer.db-wal").stat().st_size == 0


def test_a_text_that_is_not_utf_8_does_not_stop_the_buffer(path):
    with closing(open_database(path)) as db:
        db.execute("INSERT INTO checkpoint VALUES (CAST(x'61ff' AS TEXT), x'00', 1)")
        assert db.execute("SELECT name FROM checkpoint").fetchone() == ("a\ufffd",)


@pytest.mark.parametrize("version", [5, 99])
def test_a_file_of_a_newer_format_is_fatal_and_left_alone(path, version):
    number = int.from_bytes(b"and\0") + version
    changed(path, f"PRAGMA user_version = {version}", f"PRAGMA application_id = {number}")
    before = path.read_bytes()
    with pytest.raises(Fatal, match=f"format {version}.* 4"):
        open_database(path)
    assert path.read_bytes() == before


def test_a_newer_format_that_nothing_confirms_is_damage(path):
    changed(path, "PRAGMA user_version = 7")
    with pytest.raises(Damaged, match="7"):
        open_database(path)


def test_a_file_of_an_older_format_is_brought_up_to_date(path):
    changed(path, "DROP TABLE clip", "PRAGMA user_version = 2")
    with closing(open_database(path)) as db:
        assert pragma(db, "user_version") == 4
        assert db.execute("SELECT COUNT(*) FROM clip").fetchone() == (0,)


def test_a_file_of_this_format_is_not_written_to(path):
    open_database(path).close()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        database._create(db, path)
        before = db.total_changes
        database._create(db, path)
        assert (db.total_changes, db.in_transaction) == (before, False)


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE clip", "CREATE TABLE more (x)", "ALTER TABLE clip RENAME COLUMN body TO bodY"],
)
def test_another_schema_is_damage(path, statement):
    changed(path, statement)
    with pytest.raises(Damaged, match="schema"):
        open_database(path)


def test_a_schema_whose_lines_are_broken_elsewhere_is_the_same():
    assert database._statements(SimpleNamespace(execute=lambda _: [("b  c\n d",), ("a",)])) == [
        ["a"],
        ["b", "c", "d"],
    ]


@pytest.mark.parametrize(("at", "value"), [(18, 1), (20, 1), (21, 65)])
def test_a_header_that_forbids_to_write_is_damage(path, at, value):
    open_database(path).close()
    raw = bytearray(path.read_bytes())
    raw[at] = value
    path.write_bytes(raw)
    with pytest.raises((Damaged, sqlite3.DatabaseError)):
        open_database(path)


def test_the_quick_check_has_the_last_word_on_the_structure():
    class Checked:
        def set_progress_handler(self, handler, every):
            self.handler, self.every = handler, every

        def execute(self, statement):
            assert (statement, self.every) == ("PRAGMA quick_check(1)", 10_000)
            assert self.handler() is False, "there is time left"
            return SimpleNamespace(fetchall=lambda: [("row 1 missing from index",)])

    db = Checked()
    with pytest.raises(Damaged, match="row 1 missing"):
        database._check(db)
    assert (db.handler, db.every) == (None, 0)


@pytest.mark.parametrize(("spent", "stops"), [(10.0, False), (10.1, True)])
def test_the_check_of_a_large_file_ends_after_ten_seconds(monkeypatch, spent, stops):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(database, "time", SimpleNamespace(monotonic=lambda: clock.now))

    class Large:
        def set_progress_handler(self, handler, _):
            self.handler = handler

        def execute(self, _):
            clock.now += spent
            if self.handler():
                raise error(sqlite3.SQLITE_INTERRUPT)
            return SimpleNamespace(fetchall=lambda: [("not ok",)])

    if stops:
        database._check(Large())
        return
    with pytest.raises(Damaged):
        database._check(Large())


def test_another_error_of_the_check_is_not_hidden():
    class Failing:
        def set_progress_handler(self, handler, _):
            self.handler = handler

        def execute(self, _):
            raise error(sqlite3.SQLITE_IOERR)

    db = Failing()
    with pytest.raises(sqlite3.OperationalError):
        database._check(db)
    assert db.handler is None


@pytest.mark.parametrize(
    ("code", "damage", "full"),
    [
        (sqlite3.SQLITE_CORRUPT, True, False),
        (sqlite3.SQLITE_CORRUPT_VTAB, True, False),
        (sqlite3.SQLITE_NOTADB, True, False),
        (sqlite3.SQLITE_IOERR_READ, True, False),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True, False),
        (sqlite3.SQLITE_IOERR_WRITE, False, True),
        (sqlite3.SQLITE_FULL, False, True),
        (sqlite3.SQLITE_READONLY, False, True),
        (sqlite3.SQLITE_READONLY_DBMOVED, False, True),
        (sqlite3.SQLITE_IOERR_FSYNC, False, False),
        (sqlite3.SQLITE_BUSY, False, False),
    ],
)
def test_what_an_error_means(code, damage, full):
    assert (is_damage(error(code)), is_full(error(code))) == (damage, full)


def test_what_comes_from_elsewhere_is_neither_damage_nor_a_full_disk():
    assert is_damage(Damaged("by our own check"))
    assert not is_damage(ValueError("a bug"))
    assert not is_full(None)
    assert not is_full(ValueError("a bug"))


@pytest.mark.parametrize(("code", "raises"), [("FULL", False), ("IOERR_FSYNC", True)])
def test_a_log_that_a_full_disk_keeps_from_being_emptied_stops_nothing(code, raises):
    class Refusing:
        def execute(self, statement):
            assert statement == "PRAGMA wal_checkpoint(TRUNCATE)"
            raise error(getattr(sqlite3, f"SQLITE_{code}"))

    if raises:
        with pytest.raises(sqlite3.OperationalError):
            database._truncate_wal(Refusing())
    else:
        database._truncate_wal(Refusing())


def test_a_file_that_cannot_be_used_is_closed_again(path, monkeypatch):
    made = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: made.append(connect(*a, **k)) or made[-1]
    )
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        open_database(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")
