"""The ballast: held while there is room, released for alerts, taken back when there is plenty."""

import os
from types import SimpleNamespace

import pytest

from gateway.buffer import ballast
from gateway.buffer.ballast import Ballast

SIZE = 64 * 1024


@pytest.fixture
def disk(monkeypatch):
    """The free bytes that the disk claims to have."""
    made = SimpleNamespace(free=2 * SIZE, block=4096)
    monkeypatch.setattr(ballast, "SIZE", SIZE)

    def statvfs(_):
        return SimpleNamespace(f_bavail=made.free // made.block, f_frsize=made.block)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db.ballast"


def test_it_is_eight_mebibytes():
    assert ballast.SIZE == 8 * 2**20


def test_room_is_taken_for_real_and_for_its_owner_alone(disk, path):
    assert not Ballast(path).released
    status = path.stat()
    assert status.st_blocks * 512 >= SIZE
    assert status.st_mode & 0o777 == 0o600


def test_it_is_released_once(disk, path):
    held = Ballast(path)
    assert held.release() is True
    assert held.released
    assert not path.exists()
    assert held.release() is False


def test_it_is_taken_back_only_when_twice_its_size_is_free(disk, path):
    held = Ballast(path)
    held.release()
    disk.free = 2 * SIZE - disk.block
    assert held.restore() is False
    assert held.released
    assert not path.exists()
    disk.free = 2 * SIZE
    assert held.restore() is True
    assert not held.released
    assert path.exists()


def test_one_that_an_earlier_run_left_is_held_whatever_room_there_is(disk, path):
    Ballast(path)
    disk.free = 0
    held = Ballast(path)
    assert not held.released
    assert held.restore() is True


def test_one_that_was_cut_short_is_not_held(disk, path):
    path.write_bytes(b"x" * (SIZE // 2))
    disk.free = 0
    assert Ballast(path).released


def test_a_disk_that_refuses_leaves_it_released_and_no_file(disk, path, monkeypatch):
    def refuse(*_):
        raise OSError("no space left on the device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert Ballast(path).released
    assert not path.exists()


def test_a_folder_that_cannot_be_looked_at_is_not_roomy(disk, path, monkeypatch):
    def refuse(_):
        raise OSError("gone")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert Ballast(path).released


def test_no_file_stays_open(disk, path, monkeypatch):
    handles, real = [], os.open
    monkeypatch.setattr(os, "open", lambda *given: handles.append(real(*given)) or handles[-1])
    Ballast(path)
    (handle,) = handles
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)


def test_it_is_scarce_once_it_is_released_and_less_than_two_mebibytes_are_left(disk, path):
    held = Ballast(path)
    disk.free = 0
    assert not held.is_scarce()
    held.release()
    assert held.is_scarce()
    disk.free = ballast.SCARCE
    assert ballast.SCARCE == 2 * 2**20
    assert not held.is_scarce()
