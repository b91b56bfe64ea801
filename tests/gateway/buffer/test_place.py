"""A buffer whose files are pulled away, and put back."""

import os
import shutil
import sqlite3
import time
from contextlib import closing

import pytest
import structlog

from gateway.api.contracts import Fatal
from gateway.api.model import Envelope, Kind
from gateway.buffer import BufferRefused, place
from gateway.buffer.open_files import Misplaced
from gateway.buffer.state_folder import only_daemon
from gateway.buffer.store import Store

SINKS = {"cloud": frozenset(Kind)}


def alert(number):
    return Envelope(Kind.ALERT, number, b"alert %d" % number)


def bodies(store):
    return [each.body for each in store.lease("cloud", 100, 10**6)]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def store(state):
    with (
        only_daemon(state) as folder,
        closing(Store(state / "buffer.db", 10**9, SINKS, time.time_ns, folder=folder)) as opened,
    ):
        opened.append([alert(1)], {"name": b"kept"})
        yield opened


@pytest.fixture
def at_once(monkeypatch):
    """The buffer is put back as soon as it is missed."""
    monkeypatch.setattr(place, "BACK_AFTER_S", 0.0)


def put_back(store):
    store.stand()
    store.append([alert(2)], {})
    assert bodies(store) == [b"alert 1", b"alert 2"]
    assert store.load_checkpoint("name") == b"kept"
    assert store.dropped.total() == 0


def reopened(state):
    """What the next start finds."""
    with closing(Store(state / "buffer.db", 10**9, SINKS, time.time_ns)) as store:
        assert not store.set_aside
        return bodies(store)


def test_a_folder_that_was_removed_is_made_again_with_all_points(store, state, at_once):
    shutil.rmtree(state)
    put_back(store)
    store.close()
    assert reopened(state) == [b"alert 1", b"alert 2"]


@pytest.mark.parametrize("name", ["buffer.db", "buffer.db-wal"])
def test_a_file_that_was_removed_is_written_again(store, state, at_once, name):
    (state / name).unlink()
    put_back(store)
    assert not store.set_aside
    assert not list(state.glob("*.corrupt-*"))


def test_what_stands_in_the_place_is_set_aside_as_it_is(store, state, at_once):
    (state / "buffer.db").unlink()
    with closing(sqlite3.connect(state / "buffer.db")) as other:
        other.execute("CREATE TABLE mine (words TEXT)")
    content = (state / "buffer.db").read_bytes()
    put_back(store)
    (aside,) = store.set_aside
    assert aside.read_bytes() == content


def test_a_link_in_the_place_is_set_aside_and_not_followed(store, state, tmp_path, at_once):
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    (state / "buffer.db").unlink()
    (state / "buffer.db").symlink_to(tmp_path / "elsewhere")
    put_back(store)
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"
    assert not (state / "buffer.db").is_symlink()


def test_nothing_is_stored_or_leased_before_that(store, state, tmp_path):
    state.rename(tmp_path / "away")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(BufferRefused, match="state is gone"):
                store.stand()
    assert [each["event"] for each in logs] == ["buffer.misplaced"]
    assert "state is gone" in store.trouble()
    (tmp_path / "away").rename(state)
    store.stand()
    assert store.trouble() == ""
    assert bodies(store) == [b"alert 1"]


def test_a_transaction_during_which_the_floor_goes_has_no_effect(store, state, tmp_path):
    def append():
        with store._contents.transaction():
            store._contents.rows[Kind.ALERT].insert([alert(2)])
            state.rename(tmp_path / "away")

    with pytest.raises(Misplaced):
        append()
    (tmp_path / "away").rename(state)
    assert bodies(store) == [b"alert 1"]


def test_a_folder_that_another_daemon_has_ends_the_process(store, state, tmp_path, at_once):
    state.rename(tmp_path / "away")
    with only_daemon(state), pytest.raises(Fatal, match="another andon already runs"):
        store.stand()


def test_a_link_in_place_of_the_folder_is_left_alone(store, state, tmp_path, at_once):
    state.rename(tmp_path / "away")
    (tmp_path / "elsewhere").mkdir()
    state.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BufferRefused, match="is a symbolic link"):
        store.stand()
    assert not list((tmp_path / "elsewhere").iterdir())
    state.unlink()
    put_back(store)


def test_what_the_open_files_no_longer_give_is_counted_as_lost(store, state, at_once):
    store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    os.truncate(state / "buffer.db", 4096)
    (state / "buffer.db").unlink()
    # What SQLite has in memory would still be copied.
    store._contents.db.execute("PRAGMA shrink_memory")
    store.stand()
    store.append([alert(2)], {})
    assert bodies(store) == [b"alert 2"]
    assert store.dropped == {(Kind.ALERT, "damaged"): 1}


def test_files_that_cannot_be_read_give_way_to_an_empty_buffer(store, state, at_once, monkeypatch):
    def fail(_):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    monkeypatch.setattr(store._contents.db, "backup", fail)
    shutil.rmtree(state)
    store.stand()
    store.append([alert(2)], {})
    assert bodies(store) == [b"alert 2"]
    assert store.dropped == {(Kind.ALERT, "lost_tail"): 1}


def test_a_disk_without_room_is_tried_again(store, state, at_once, monkeypatch):
    def fail(_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    shutil.rmtree(state)
    with monkeypatch.context() as full:
        full.setattr(store._contents.db, "backup", fail)
        with pytest.raises(BufferRefused, match="cannot be put back: database or disk is full"):
            store.stand()
    put_back(store)
