"""The journal of a buffer that no daemon has open: read, and nothing else."""

import sqlite3
import time
from contextlib import closing

import pytest

from gateway.api.contracts import ConfigError
from gateway.api.model import Envelope, Kind
from gateway.buffer import journal_file
from gateway.buffer.journal_file import read_file
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.core.alarms.journal import note

pytestmark = pytest.mark.usefixtures("small_ballast")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer #1?.db"


def opened(path):
    return Store(path, 10**9, {"cloud": frozenset(Kind)}, time.time_ns)


def files(path):
    return {
        each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()
    }


def messages(page):
    return [entry.message for entry in page.entries()]


def test_a_buffer_of_a_killed_daemon_is_read_with_its_wal_and_left_as_it_is(path):
    store = opened(path)
    store.append([Envelope(Kind.ALERT, 1, b"m f=1 1")], {}, [note(1, "one")])
    store.append([], {}, [note(2, "two")])
    # What a kill leaves, taken while the WAL is there.
    left = {name: body for name, (body, _) in files(path).items()}
    store.close()
    for name, body in left.items():
        (path.parent / name).write_bytes(body)
    before = files(path)
    assert before[f"{path.name}-wal"][0]
    assert messages(read_file(path, JournalQuery(10))) == ["two", "one"]
    assert read_file(path, JournalQuery(1)).more
    assert files(path) == before


def test_it_is_read_while_a_daemon_has_it_and_disturbs_none(path):
    with closing(opened(path)) as store:
        store.append([], {}, [note(1, "one")])
        assert messages(read_file(path, JournalQuery(10))) == ["one"]
        store.append([], {}, [note(2, "two")])
        assert messages(read_file(path, JournalQuery(10))) == ["two", "one"]


def test_what_a_daemon_writes_meanwhile_is_read_again(path, monkeypatch):
    with closing(opened(path)) as store:
        real, tries = journal_file._read, []

        def slow(*asked):
            page = real(*asked)
            tries.append(page)
            if len(tries) < 3:
                store.append([], {}, [note(1, "x" * 5_000)])
            return page

        monkeypatch.setattr(journal_file, "_read", slow)
        assert len(read_file(path, JournalQuery(10)).rows) == 2
        assert len(tries) == 3


def test_of_a_damaged_file_what_can_be_read_is(path):
    with closing(opened(path)) as store:
        store.append([], {}, [note(n, f"entry {n}", id=n) for n in range(40)])
    raw = bytearray(path.read_bytes())
    at = raw.index(b"entry 7")
    raw[:100] = bytes(100)
    raw[at : at + 7] = b"ENTRY 7"
    path.write_bytes(raw)
    page = read_file(path, JournalQuery(100))
    assert messages(page) == [f"entry {n}" for n in range(39, -1, -1) if n != 7]
    asked = JournalQuery(2, since=5, until=20, before=15)
    page = read_file(path, asked)
    assert (messages(page), page.more) == (["entry 13", "entry 12"], True)


def test_a_damaged_row_of_a_sound_file_is_named(path):
    with closing(opened(path)) as store:
        store.append([], {}, [note(1, "one"), note(2, "two")])
    path.write_bytes(path.read_bytes().replace(b"one", b"ONE"))
    page = read_file(path, JournalQuery(10))
    assert (messages(page), page.damaged) == (["two"], [1])


def test_a_buffer_of_an_earlier_andon_has_no_journal_yet(path):
    opened(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE journal")
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(ConfigError, match="earlier andon, which kept no journal"):
        read_file(path, JournalQuery(10))


def test_a_symbolic_link_is_not_followed(path):
    opened(path.with_name("other.db")).close()
    path.symlink_to(path.with_name("other.db"))
    with pytest.raises(ConfigError, match="symbolic link"):
        read_file(path, JournalQuery(10))


def test_a_file_that_is_not_there_is_a_sentence(path):
    with pytest.raises(ConfigError, match="No such file"):
        read_file(path, JournalQuery(10))
