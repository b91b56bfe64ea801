"""How long the store keeps entries of the journal, and what it says of those that are missing."""

import sqlite3
from contextlib import closing

import pytest
import structlog

from gateway.api.model import Envelope, Kind
from gateway.buffer import store as store_module
from gateway.buffer.journal import JournalLimits
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.missing_entries import WHY
from gateway.buffer.store import INSTEAD_OF, Store
from gateway.core.alarms.journal import note

pytestmark = pytest.mark.usefixtures("small_ballast")
BIG, HOUR = 10**9, 3600 * 10**9
A, S, *_ = Kind


class Clock:
    now = 1_000 * HOUR

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db"


def store(path, clock, buffer_bytes=BIG, **limits):
    sinks = {"cloud": frozenset({A, S})}
    return Store(path, buffer_bytes, sinks, clock, journal=JournalLimits(**limits))


def messages(opened, **asked):
    page = opened.journal(JournalQuery(1_000, **asked))
    return [entry.message for entry in reversed(page.entries())]


def alert(at):
    return Envelope(A, at, b"x" * 100)


def test_an_entry_is_there_if_its_alert_is_and_only_then(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([alert(1)], {}, [note(1, "one")])
        real, opened._contents.save_checkpoints = opened._contents.save_checkpoints, fail
        with pytest.raises(sqlite3.OperationalError):
            opened.append([alert(2)], {"pump": b"two"}, [note(2, "two")])
        opened._contents.save_checkpoints = real
        assert len(opened.lease("cloud", 9, BIG)) == 1
        assert messages(opened) == ["one"]
        opened.append([alert(3)], {}, [note(3, "three")])
        entries = opened.journal(JournalQuery(9)).entries()
        assert [(e.seq, e.message) for e in entries] == [(2, "three"), (1, "one")]
        facts = opened.stats()["journal"]
        opened._contents.journal.measure()
        assert facts == opened.stats()["journal"]


def fail(_states):
    raise sqlite3.OperationalError("the disk fails")


def test_the_limits_of_the_buffer_do_not_touch_the_journal(path, clock):
    with closing(store(path, clock, buffer_bytes=2_000)) as opened:
        for n in range(1, 101):
            opened.append([Envelope(S, n, b"x" * 100)], {}, [note(n, f"{n}")])
        assert opened.dropped.total() > 80
        assert messages(opened) == [f"{n}" for n in range(1, 101)]


def test_an_entry_whose_alert_no_sink_wants_is_kept(path, clock):
    with closing(Store(path, BIG, {"cloud": frozenset({S})}, clock)) as opened:
        assert opened.append([alert(1)], {}, [note(1, "one")]) == set()
        assert messages(opened) == ["one"]


def test_entries_are_deleted_after_their_retention_and_that_is_no_loss(path, clock):
    with closing(store(path, clock, keep=10 * HOUR)) as opened:
        opened.append([], {}, [note(1, "one")])
        clock.now += 5 * HOUR
        opened.append([], {}, [note(2, "two")])
        clock.now += 5 * HOUR
        opened.maintain()
        assert messages(opened) == ["one", "two"]
        clock.now += 1
        opened.maintain(expire=False)
        assert messages(opened) == ["one", "two"]
        opened.maintain()
        assert messages(opened) == ["two"]
    with closing(store(path, clock)) as opened:
        opened.maintain()
        assert messages(opened) == ["two"]
        assert opened.stats()["journal"]["missing_by"] == {}
        assert opened.stats()["given_up_why"] == []


def test_beyond_its_limit_the_oldest_go_and_the_journal_and_the_status_say_so(path, clock):
    with closing(store(path, clock, max_bytes=2_000)) as opened:
        with structlog.testing.capture_logs() as logs:
            for n in range(30):
                opened.append([], {}, [note(n, f"{n:02}")])
        facts = opened.stats()["journal"]
        assert facts["bytes"] <= 2_000 < facts["bytes"] + 200
        gone = facts["missing_by"]["max_bytes"]
        assert gone == 30 - facts["entries"] > 5
        assert [(each["event"], each["why"]) for each in logs] == [
            ("journal.entries_missing", WHY["max_bytes"])
        ]
        opened.maintain()
        assert messages(opened)[-1] == f"{gone} entries are missing: {WHY['max_bytes']}"
        (words,) = opened.stats()["given_up_why"]
        assert words.startswith(f"journal: {gone} entries are missing")
        # The note itself needed no further one.
        opened.maintain()
        assert len([m for m in messages(opened) if "missing" in m]) == 1


def test_a_damaged_row_is_deleted_counted_and_noted_when_it_is_read(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([], {}, [note(1, "one"), note(2, "two"), note(3, "three")])
        opened._contents.db.execute("UPDATE journal SET recorded_at = 5 WHERE seq = 2")
        assert messages(opened) == ["one", "three"]
        assert opened.stats()["journal"]["missing_by"] == {"corrupt": 1}
        opened.maintain()
        assert messages(opened)[2] == "1 entry is missing: damaged on disk"
        assert not opened.journal(JournalQuery(9)).damaged
    with closing(store(path, clock)) as opened:
        assert opened.stats()["journal"]["missing_by"] == {}


def test_entries_that_a_replaced_file_lacks_are_counted_and_noted(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([alert(1)], {}, [note(n, f"entry {n}") for n in range(1, 101)])
        opened.append([], {}, [note(101, "entry 101")])
    raw = path.read_bytes()
    path.write_bytes(bytes(100) + raw[100:].replace(b"entry 50", b"ENTRY 50"))
    with closing(store(path, clock)) as opened:
        assert opened.set_aside
        assert messages(opened) == [f"entry {n}" for n in range(1, 102) if n != 50]
        assert opened.stats()["journal"]["missing_by"] == {"damaged": 1}
        opened.append([], {}, [note(102, "entry 102")])
        assert opened.journal(JournalQuery(1)).entries()[0].seq == 102
        opened.maintain()
        assert messages(opened)[-1] == f"1 entry is missing: {WHY['damaged']}"
    with closing(store(path, clock)) as opened:
        assert opened.stats()["journal"]["missing_by"] == {}


def test_a_journal_of_which_the_end_is_gone_says_so(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([], {}, [note(n, f"{n}") for n in range(1, 11)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM journal WHERE seq > 7")
        db.execute("UPDATE sqlite_sequence SET seq = 7 WHERE name = 'journal'")
    with closing(store(path, clock)) as opened:
        assert opened.stats()["journal"]["missing_by"] == {"lost_tail": 3}
        opened.append([], {}, [note(11, "11")])
        assert opened.journal(JournalQuery(1)).entries()[0].seq == 11


def test_an_index_that_hides_an_entry_is_noticed_at_the_start(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([], {}, [note(n, f"{n}") for n in range(1, 11)])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        hide = "UPDATE sqlite_master SET sql = '{}' WHERE name = 'journal_at'"
        (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'journal_at'").fetchone()
        db.execute(hide.format(sql + " WHERE seq > 5"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM journal WHERE seq = 3")
        db.execute("REINDEX journal_at")
        db.execute("PRAGMA writable_schema = ON")
        db.execute(hide.format(sql))
    with closing(store(path, clock)) as opened:
        assert opened.set_aside
        assert messages(opened, since=1) == [f"{n}" for n in range(1, 11) if n != 3]


def test_a_buffer_of_the_format_before_gets_a_journal(path, clock):
    with closing(store(path, clock)) as opened:
        opened.append([alert(1)], {"pump": b"one"})
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE journal")
        db.execute("PRAGMA user_version = 3")
        db.execute(f"PRAGMA application_id = {int.from_bytes(b'and') * 256 + 3}")
    with closing(store(path, clock)) as opened:
        assert not opened.set_aside
        assert len(opened.lease("cloud", 9, BIG)) == 1
        assert opened.load_checkpoint("pump") == b"one"
        opened.append([], {}, [note(1, "one")])
        assert messages(opened) == ["one"]


def test_on_a_disk_with_hardly_any_room_the_oldest_entries_make_room_for_an_alert(
    path, clock, monkeypatch
):
    with closing(store(path, clock)) as opened:
        opened.append([], {}, [note(n, "x" * 500) for n in range(1_000)])
        size = opened.stats()["journal"]["bytes"]
        monkeypatch.setattr(store_module, "LEFT_ALONE", size + 100 * 200)
        monkeypatch.setattr(opened._ballast, "is_scarce", lambda: True)
        opened.append([alert(1)], {}, [])
        assert opened.stats()["journal"]["entries"] == 1_000
        monkeypatch.setattr(store_module, "LEFT_ALONE", size // 2)
        with structlog.testing.capture_logs() as logs:
            opened.append([alert(1)], {}, [note(1_000, "the newest")])
        page = opened.journal(JournalQuery(2_000))
        assert [e.seq for e in page.entries()] == list(range(1_001, INSTEAD_OF, -1))
        assert opened.stats()["journal"]["missing_by"] == {"disk_full": INSTEAD_OF}
        assert [(each["event"], each["count"]) for each in logs] == [
            ("journal.entries_missing", INSTEAD_OF)
        ]
        assert WHY["disk_full"] in opened.stats()["given_up_why"][0]
        # As long as there are free pages in the file nothing more is given up.
        for n in range(300):
            opened.append([], {}, [note(n, "x" * 500)])
        assert 1_000 - 3 * INSTEAD_OF < opened.stats()["journal"]["entries"] < 1_000 + INSTEAD_OF


def test_while_there_is_room_nothing_is_given_up(path, clock, monkeypatch):
    with closing(store(path, clock)) as opened:
        opened.append([], {}, [note(n, "x") for n in range(100)])
        opened._ballast.release()
        monkeypatch.setattr(opened._ballast, "_free", lambda: 2 * 2**20)
        opened.append([alert(1)], {}, [note(100, "the newest")])
        assert opened.stats()["journal"]["entries"] == 101
