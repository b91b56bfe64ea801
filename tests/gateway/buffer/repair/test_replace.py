"""A replacement takes a damaged file's place: what is renamed, and how a kill in between ends."""

import pytest

from gateway.api.model import SECOND
from gateway.buffer.repair import replace
from gateway.buffer.repair.replace import finish, unfinished

NOON = 1_700_049_600 * SECOND  # 2023-11-15T12:00:00Z
ASIDE = "buffer.db.corrupt-20231115T120000Z"


@pytest.fixture
def path(tmp_path):
    """A damaged database with its log."""
    path = tmp_path / "buffer.db"
    path.write_bytes(b"old")
    path.with_name("buffer.db-wal").write_bytes(b"old log")
    return path


def made(path):
    partial = unfinished(path)
    partial.write_bytes(b"new")
    return partial


def content(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def test_the_damaged_file_and_its_log_are_renamed_and_unchanged(path):
    aside = replace.swap_in(path, made(path), NOON + SECOND // 2)
    assert aside == path.with_name(ASIDE)
    assert content(path) == {"buffer.db": b"new", ASIDE: b"old", f"{ASIDE}-wal": b"old log"}


def test_the_shared_memory_file_goes_with_them(path):
    path.with_name("buffer.db-shm").write_bytes(b"old shm")
    replace.swap_in(path, made(path), NOON)
    assert content(path)[f"{ASIDE}-shm"] == b"old shm"


def test_a_second_one_within_the_second_has_a_name_of_its_own(path):
    names = []
    for _ in range(3):
        path.write_bytes(b"old")
        names.append(replace.swap_in(path, made(path), NOON).name)
    assert names == [ASIDE, f"{ASIDE}-2", f"{ASIDE}-3"]


def test_what_an_earlier_attempt_left_is_gone(path):
    left = [path.with_name(f"buffer.db.partial{ending}") for ending in ("", "-wal", "-shm")]
    for each in left:
        each.write_bytes(b"half")
    assert unfinished(path) == left[0]
    assert not any(each.exists() for each in left)


def test_without_a_complete_replacement_there_is_nothing_to_finish(path):
    made(path)
    assert finish(path) is None


def test_the_next_start_deletes_what_a_kill_left_of_a_replacement(path):
    partial = made(path)
    partial.with_name(partial.name + "-wal").write_bytes(b"log")
    assert finish(path) is None
    assert not list(path.parent.glob("*.partial*"))
    assert content(path)["buffer.db"] == b"old"


def test_a_kill_at_any_moment_leaves_the_old_file_or_a_replacement_to_finish(path, monkeypatch):
    """The folder is synced before every rename that must not overtake another."""
    synced = []
    monkeypatch.setattr(
        replace, "sync_folder", lambda folder: synced.append(content(path)) or folder
    )
    replace.swap_in(path, made(path), NOON)
    fresh = f"{ASIDE}.fresh"
    assert [sorted(state) for state in synced] == [
        sorted(["buffer.db", "buffer.db-wal", fresh]),
        sorted([ASIDE, f"{ASIDE}-wal", fresh]),
        sorted(["buffer.db", ASIDE, f"{ASIDE}-wal"]),
    ]


@pytest.mark.parametrize("renamed", [[], ["-wal"], ["-wal", ""]])
def test_a_replacement_that_was_complete_is_finished_at_the_next_start(path, renamed):
    for ending in renamed:
        path.with_name(f"buffer.db{ending}").rename(path.with_name(f"{ASIDE}{ending}"))
    path.with_name(f"{ASIDE}.fresh").write_bytes(b"new")
    assert finish(path) == path.with_name(ASIDE)
    assert content(path) == {"buffer.db": b"new", ASIDE: b"old", f"{ASIDE}-wal": b"old log"}
