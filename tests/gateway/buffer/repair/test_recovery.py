"""Opening a buffer: what replaces a file, what is taken over, and what is counted as lost."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
import structlog

from gateway.api.contracts import Fatal
from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer.ballast import Ballast
from gateway.buffer.database import open_database
from gateway.buffer.repair import recovery
from gateway.buffer.repair.high_water import JOURNAL, Mark
from gateway.buffer.repair.pages import PageContent
from gateway.buffer.repair.recovery import mark_of, missing, open_or_replace, without
from gateway.buffer.rows import ALL, PointTable, checksum

pytestmark = pytest.mark.usefixtures("small_ballast")
A, S, G, C = Kind
NOW = 5 * 10**9


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db"


@pytest.fixture
def ballast(tmp_path, small_ballast):
    return Ballast(tmp_path / "ballast")


def full(text="disk full"):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def stored(path, **counts):
    """A closed database with so many points of each class, by the table's name."""
    with closing(open_database(path)) as db:
        for kind in Kind:
            rows = PointTable(db, kind)
            count = counts.get(kind.name.lower(), 0)
            rows.insert([Envelope(kind, n, b"body %d" % n) for n in range(1, count + 1)])


def open_it(path, ballast, marks=None, *, is_damaged=False):
    return open_or_replace(path, NOW, marks or {}, ballast, is_damaged=is_damaged)


def numbers(db, kind=A):
    return [e.key for e in PointTable(db, kind).between(0, ALL).sound]


def test_a_sound_file_is_opened_as_it_is(path, ballast):
    stored(path, alert=3)
    opened = open_it(path, ballast)
    with closing(opened.db):
        assert (numbers(opened.db), opened.set_aside) == ([1, 2, 3], None)


def test_a_damaged_file_is_replaced_with_what_is_sound_in_it(path, ballast):
    stored(path, alert=3, summary=2)
    path.write_bytes(bytes(100) + path.read_bytes()[100:])
    with structlog.testing.capture_logs() as logs:
        opened = open_it(path, ballast)
    with closing(opened.db):
        assert (numbers(opened.db), numbers(opened.db, S)) == ([1, 2, 3], [1, 2])
    assert opened.set_aside == path.with_name("buffer.db.corrupt-19700101T000005Z")
    assert [each["event"] for each in logs] == ["buffer.unusable", "buffer.damaged"]
    assert logs[0]["log_level"] == logs[1]["log_level"] == "error"
    assert logs[0]["why"]
    assert logs[1]["set_aside"] == str(opened.set_aside)
    assert logs[1]["salvaged"] == {"alert": 3, "summary": 2, "gateway": 0, "clip": 0, "journal": 0}


def test_a_file_that_is_known_to_be_damaged_is_not_even_tried(path, ballast):
    stored(path, alert=3)
    with structlog.testing.capture_logs() as logs:
        opened = open_it(path, ballast, is_damaged=True)
    with closing(opened.db):
        assert numbers(opened.db) == [1, 2, 3]
    assert [each["event"] for each in logs] == ["buffer.damaged"]
    assert opened.set_aside.exists()


def test_checkpoints_and_cursors_are_taken_over_too(path, ballast):
    stored(path, alert=1)
    with closing(open_database(path)) as db:
        state = ("pump", b"state", checksum("pump", b"state"))
        db.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", state)
        db.execute("INSERT INTO cursor VALUES ('cloud', 0, 7, ?)", (checksum("cloud", 0, 7),))
    opened = open_it(path, ballast, is_damaged=True)
    with closing(opened.db):
        assert opened.db.execute("SELECT name, state FROM checkpoint").fetchall() == [state[:2]]
        assert opened.db.execute("SELECT sink, seq FROM cursor").fetchall() == [("cloud", 7)]


def test_rows_that_were_gone_do_not_come_back(path, ballast):
    stored(path, alert=5, summary=5)
    opened = open_it(path, ballast, {A: Mark(first=4)}, is_damaged=True)
    with closing(opened.db):
        assert numbers(opened.db) == [4, 5]
        assert numbers(opened.db, S) == [1, 2, 3, 4, 5]


def test_a_replacement_that_a_kill_interrupted_is_finished_first(path, ballast):
    stored(path.with_name("buffer.db.corrupt-19700101T000001Z.fresh"), alert=2)
    path.write_bytes(b"damaged")
    opened = open_it(path, ballast)
    with closing(opened.db):
        assert numbers(opened.db) == [1, 2]
    assert opened.set_aside.name == "buffer.db.corrupt-19700101T000001Z"
    assert opened.set_aside.read_bytes() == b"damaged"


def test_without_a_log_nothing_is_hidden(path, monkeypatch):
    monkeypatch.setattr(recovery, "DamagedDatabase", lambda _: pytest.fail("it is not read"))
    assert recovery._has_hidden_commits(path, {}) is False
    stored(path, alert=1)
    assert recovery._has_hidden_commits(path, {}) is False
    path.with_name("buffer.db-wal").write_bytes(b"")
    path.unlink()
    assert recovery._has_hidden_commits(path, {}) is False


@pytest.mark.parametrize("hides", [True, False])
def test_the_log_and_the_marks_decide_whether_something_is_hidden(path, monkeypatch, hides):
    stored(path, alert=1)
    path.with_name("buffer.db-wal").write_bytes(b"")
    asked = []

    class Database:
        def __init__(self, name):
            asked.append(name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            asked.append("closed")

        def hides(self, marks):
            asked.append(marks)
            return hides

    monkeypatch.setattr(recovery, "DamagedDatabase", Database)
    marks = {A: Mark(next=9)}
    assert recovery._has_hidden_commits(path, marks) is hides
    assert asked == [path, marks, "closed"]


def test_a_file_with_something_hidden_in_its_log_is_replaced(path, ballast, monkeypatch):
    stored(path, alert=1)
    monkeypatch.setattr(
        recovery, "_has_hidden_commits", lambda *given: given == (path, {A: Mark(next=2)})
    )
    opened = open_it(path, ballast, {A: Mark(next=2)})
    with closing(opened.db):
        assert numbers(opened.db) == [1]
    assert opened.set_aside is not None


def test_on_a_full_disk_the_ballast_gives_room_to_open(path, ballast, monkeypatch):
    tries = [full()]
    real = open_database

    def once_full(name):
        if tries:
            raise tries.pop()
        return real(name)

    monkeypatch.setattr(recovery, "open_database", once_full)
    opened = open_it(path, ballast)
    opened.db.close()
    assert ballast.released
    assert opened.set_aside is None


def test_a_full_disk_without_a_ballast_is_fatal(path, ballast, monkeypatch):
    ballast.release()
    monkeypatch.setattr(recovery, "open_database", lambda _: (_ for _ in ()).throw(full()))
    with pytest.raises(Fatal, match=r"buffer\.db cannot be opened: disk full") as caught:
        open_it(path, ballast)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_another_error_is_fatal_and_replaces_nothing(path, ballast, monkeypatch):
    stored(path, alert=1)
    error = sqlite3.OperationalError("locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    monkeypatch.setattr(recovery, "open_database", lambda _: (_ for _ in ()).throw(error))
    with pytest.raises(Fatal, match="locked"):
        open_it(path, ballast)
    assert [each.name for each in path.parent.glob("buffer.db*")] == ["buffer.db"]
    assert not ballast.released


def test_without_room_for_all_alerts_are_taken_over_and_then_nothing(path, ballast, monkeypatch):
    stored(path, alert=2, summary=3)
    tried = []
    real = recovery._fill

    def cramped(partial, name, kinds, marks):
        tried.append(tuple(kinds))
        if kinds:
            raise full()
        return real(partial, name, kinds, marks)

    monkeypatch.setattr(recovery, "_fill", cramped)
    with structlog.testing.capture_logs() as logs:
        opened = open_it(path, ballast, is_damaged=True)
    with closing(opened.db):
        assert numbers(opened.db) == numbers(opened.db, S) == []
    assert tried == [(*Kind, JOURNAL), (A, JOURNAL), (A,), ()]
    assert ballast.released
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("buffer.salvage_cut", "error"),
        ("buffer.salvage_cut", "error"),
        ("buffer.salvage_cut", "error"),
        ("buffer.damaged", "error"),
    ]
    assert logs[0]["why"] == "disk full"
    assert logs[-1]["salvaged"] == {}


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY])
def test_a_salvage_that_fails_otherwise_or_for_nothing_is_fatal(path, ballast, monkeypatch, code):
    stored(path, alert=1)

    def failing(_partial, _path, kinds, _marks):
        error = full()
        error.sqlite_errorcode = (
            code if not kinds or code == sqlite3.SQLITE_BUSY else sqlite3.SQLITE_FULL
        )
        raise error

    monkeypatch.setattr(recovery, "_fill", failing)
    with pytest.raises(Fatal):
        open_it(path, ballast, is_damaged=True)
    assert path.exists()


def damaged_with(pages):
    return SimpleNamespace(
        pages=pages, content=lambda: iter([PageContent(cursors=[n]) for n in range(pages)])
    )


@pytest.mark.parametrize(
    ("pages", "sizes"), [(0, [0]), (999, [999]), (1000, [1000, 0]), (2001, [1000, 1000, 1])]
)
def test_a_thousand_pages_are_taken_over_at_once(pages, sizes):
    batches = list(recovery._in_batches(damaged_with(pages)))
    assert [len(batch.cursors) for batch in batches] == sizes
    assert [n for batch in batches for n in batch.cursors] == list(range(pages))


def test_a_long_salvage_logs_its_progress_and_is_not_taken_for_a_hang(monkeypatch):
    times = iter([0.0, 5.0, 5.1, 5.1, 6.0, 10.2, 10.2])
    monkeypatch.setattr(recovery, "time", SimpleNamespace(monotonic=lambda: next(times)))
    notified = []
    monkeypatch.setattr(recovery, "notify", lambda *words: notified.append(words))
    with structlog.testing.capture_logs() as logs:
        list(recovery._in_batches(damaged_with(4000)))
    assert logs == [
        {"event": "buffer.salvaging", "log_level": "warning", "pages": pages, "of": 4000}
        for pages in (2000, 4000)
    ]
    assert notified == [("WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000")] * 2


def rows_of(db, kind=A, times=(10, 20, 30)):
    rows = PointTable(db, kind)
    rows.insert([Envelope(kind, at, b"x") for at in times])
    return rows


@pytest.fixture
def db(path):
    with closing(open_database(path)) as made:
        yield made


def test_a_mark_says_how_far_a_class_is(db):
    rows = rows_of(db)
    assert mark_of(rows, 2) == Mark(1, 4, 3, 30, 2)
    rows.delete(2)
    assert mark_of(rows, 2) == Mark(3, 4, 1, 30, 2)
    rows.delete(ALL)
    assert mark_of(rows, 2) == Mark(4, 4, 0, 0, 2)


def test_before_a_commit_the_mark_gives_up_what_is_deleted_and_claims_nothing_new(db):
    rows = rows_of(db)
    before, old = (rows.next, rows.count), mark_of(rows, 1)
    rows.insert([Envelope(A, 40, b"x")])
    assert without(rows, before, old) == old
    rows.delete(2)
    assert without(rows, before, old) == Mark(3, 4, 1, 30, 1)
    rows.delete(ALL)
    assert without(rows, before, old) == Mark(4, 4, 0, 30, 1)


def test_what_is_missing_and_not_journalled_stays_claimed(db):
    rows = rows_of(db)
    before = (rows.next, rows.count)
    claimed = Mark(1, 9, 8, 99, 0)
    assert without(rows, before, claimed) == claimed
    rows.delete(1)
    assert without(rows, before, claimed) == Mark(2, 9, 7, 99, 0)
    assert without(rows, before, None) == Mark(1, 1, 0, 0, 0)


def slowest(number):
    return SimpleNamespace(slowest=lambda kind: {A: number}.get(kind, 0))


@pytest.mark.parametrize(
    ("mark", "done", "count"),
    [
        (Mark(1, 4, 3, 77), 0, 0),
        (Mark(1, 6, 5, 77), 0, 2),
        (Mark(1, 6, 5, 77), 1, 2),
        (Mark(1, 4, 5, 77), 0, 2),
        (Mark(1, 4, 5, 77), 1, 1),
        (Mark(1, 4, 5, 77), 2, 0),
        (Mark(2, 4, 5, 77), 2, 1),
        (Mark(5, 9, 2, 77), 0, 2),
        (Mark(1, 4, 2, 77), 0, 0),
    ],
)
def test_what_the_marks_say_and_the_file_does_not_hold_is_lost(db, mark, done, count):
    rows = {kind: rows_of(db, kind) for kind in (A, S)}
    losses = list(missing(rows, slowest(done), {A: mark}, "lost_tail"))
    assert losses == ([Loss(A, "lost_tail", count, 30, 77)] if count else [])


def test_of_an_empty_class_the_loss_begins_at_nothing(db):
    rows = {A: PointTable(db, A)}
    losses = list(missing(rows, slowest(0), {A: Mark(1, 3, 2, 77)}, "damaged"))
    assert losses == [Loss(A, "damaged", 2, 0, 77)]
