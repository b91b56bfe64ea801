"""The buffer's open files."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.buffer.database import open_database
from gateway.buffer.open_files import Misplaced


@pytest.fixture
def db(tmp_path):
    with closing(open_database(tmp_path / "buffer.db")) as opened:
        opened.execute("INSERT INTO alert VALUES (1, 2, 3, 'x', 4)")
        opened.files.note()
        yield opened


@pytest.mark.parametrize("name", ["buffer.db", "buffer.db-wal"])
def test_a_file_that_is_not_in_its_place_is_named(db, tmp_path, name):
    assert db.files.misplaced() == ""
    (tmp_path / name).rename(tmp_path / "away")
    assert db.files.misplaced() == f"{tmp_path / name} is gone"
    with pytest.raises(Misplaced, match=name):
        db.files.check()
    (tmp_path / "away").rename(tmp_path / name)
    db.files.check()


@pytest.mark.parametrize("name", ["buffer.db", "buffer.db-wal"])
def test_a_file_that_lost_its_end_is_named(db, tmp_path, name):
    assert db.files.shortened() == ""
    os.truncate(tmp_path / name, (tmp_path / name).stat().st_size - 1)
    assert db.files.shortened() == f"{tmp_path / name} was truncated"


@pytest.mark.parametrize("ending", ["", "-wal", "-journal"])
def test_a_link_in_place_of_a_file_is_refused(tmp_path, ending):
    (tmp_path / f"buffer.db{ending}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        open_database(tmp_path / "buffer.db")
    assert not (tmp_path / "elsewhere").exists()


def test_another_process_finds_the_database_locked(db, tmp_path):
    """SQLite's lock would be lost if any descriptor of the file was closed meanwhile."""
    other = f"""
import sqlite3
db = sqlite3.connect({str(tmp_path / "buffer.db")!r}, timeout=0)
db.execute("INSERT INTO alert VALUES (9, 2, 3, 'x', 4)")
"""
    done = subprocess.run(
        [sys.executable, "-c", other], capture_output=True, text=True, check=False
    )
    assert "database is locked" in done.stderr
