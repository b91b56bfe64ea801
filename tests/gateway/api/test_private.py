"""Files that are private, and opened under their own name only."""

import os
import stat
from pathlib import Path

import pytest

from gateway.api import private

PLANTED = {
    "a symbolic link": lambda path: path.symlink_to(path.parent / "elsewhere"),
    "a directory": Path.mkdir,
    "a FIFO": os.mkfifo,
}


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022])
def any_umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.parametrize("make", [private.own_file, private.new_file])
def test_a_file_is_private_whatever_the_umask(tmp_path, any_umask, make):
    os.close(make(tmp_path / "file"))
    assert mode(tmp_path / "file") == 0o600


def test_a_file_that_was_left_open_to_others_is_closed_to_them(tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    (tmp_path / "file").chmod(0o666)
    os.close(private.own_file(tmp_path / "file"))
    assert mode(tmp_path / "file") == 0o600
    assert (tmp_path / "file").read_bytes() == b"kept"


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND])
@pytest.mark.parametrize("what", PLANTED)
def test_what_is_no_plain_file_is_refused_with_a_sentence(tmp_path, what, flags):
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    PLANTED[what](tmp_path / "file")
    with pytest.raises(OSError, match=what) as refused:
        private.open_file(tmp_path / "file", flags)
    assert str(tmp_path / "file") in refused.value.strerror
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


def test_a_new_file_replaces_a_link_and_leaves_its_target_alone(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    os.close(private.new_file(tmp_path / "file"))
    assert (tmp_path / "file").lstat().st_size == 0
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


def test_the_file_of_another_user_is_refused_unless_root_asks(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if owner == 0:
        # Root's file is trusted by everyone.
        os.chown(tmp_path / "file", 54321, -1)
    with pytest.raises(OSError, match="belongs to another user"):
        private.open_file(tmp_path / "file", os.O_RDONLY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    os.close(private.open_file(tmp_path / "file", os.O_RDONLY))


def test_a_file_larger_than_its_limit_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert private.read_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        private.read_file(tmp_path / "file", 4)


def test_a_path_that_leads_elsewhere_is_noticed(tmp_path):
    path = tmp_path / "file"
    path.touch()
    opened = path.lstat()
    assert private.misplaced(path, opened) == ""
    path.rename(tmp_path / "away")
    assert private.misplaced(path, opened) == f"{path} is gone"
    path.touch()
    assert private.misplaced(path, opened) == f"{path} was replaced by another one"
    path.unlink()
    path.symlink_to(tmp_path / "away")
    assert private.misplaced(path, opened) == f"{path} was replaced by a symbolic link"
    path.unlink()
    (tmp_path / "away").rename(path)
    assert private.misplaced(path, opened) == ""
