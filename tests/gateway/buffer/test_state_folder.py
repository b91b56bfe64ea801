"""The locked state folder."""

import errno
import os
import stat

import pytest
import structlog

from gateway.api.contracts import ConfigError
from gateway.buffer import state_folder
from gateway.buffer.state_folder import LOCK, Taken, only_daemon


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines" / "press-3"


def test_the_folder_is_made_private_and_so_is_what_is_made_in_it(path):
    before = os.umask(0)
    try:
        with only_daemon(path):
            (path / "file").touch()
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()}
            assert modes == {"file": 0o600, LOCK: 0o600}
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_the_lock_is_of_the_folder_and_not_only_of_a_file_in_it(path):
    with only_daemon(path):
        (path / LOCK).unlink()
        with pytest.raises(Taken, match="another andon already runs"), only_daemon(path):
            pass
    with only_daemon(path) as again:
        assert again.misplaced() == ""


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ETIMEDOUT, errno.ENOENT]
)
def test_a_disk_that_fails_at_the_start_may_be_tried_again(path, monkeypatch, number):
    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(state_folder, "make_folder", fail)
    with pytest.raises(ConfigError, match=os.strerror(number)) as caught, only_daemon(path):
        pass
    assert caught.value.may_pass


def test_a_folder_that_cannot_be_made_is_a_mistake_of_the_line_file(tmp_path):
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "state"
    with pytest.raises(ConfigError, match="set `state:`") as caught, only_daemon(state):
        pass
    assert not caught.value.may_pass


def test_the_folder_of_another_user_is_refused(path, monkeypatch):
    path.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if path.stat().st_uid == 0:
        os.chown(path, 54321, -1)
    with pytest.raises(ConfigError, match="belongs to another user"), only_daemon(path):
        pass


def test_a_lock_file_that_cannot_be_made_again_is_said_once(path):
    with structlog.testing.capture_logs() as logs, only_daemon(path) as folder:
        (path / LOCK).unlink()
        (path / LOCK).mkdir()
        folder.keep_lock()
        folder.keep_lock()
        assert f"{path / LOCK} is a directory" in folder.change()
        (path / LOCK).rmdir()
        folder.keep_lock()
        assert folder.change() == ""
    assert [each["event"] for each in logs] == ["state.lock_lost", "state.lock_renewed"]


def test_a_mode_that_changes_is_said_and_one_that_was_there_is_not(path):
    path.mkdir(parents=True, mode=0o750)
    path.chmod(0o750)
    with only_daemon(path) as folder:
        assert folder.change() == ""
        path.chmod(0o777)
        assert folder.change() == ""
        path.chmod(0o500)
        assert f"chmod 700 {path}" in folder.change()
