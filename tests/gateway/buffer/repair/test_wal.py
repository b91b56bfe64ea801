import random
import sqlite3
from contextlib import closing

import pytest

from gateway.buffer.repair import wal
from gateway.buffer.repair.wal import PAGE

HEAD, FRAME = 32, 24 + PAGE


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A database and its log, whose second epoch has overwritten the beginning of the first."""
    path = tmp_path_factory.mktemp("log") / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("page_size = 4096", "journal_mode = WAL", "wal_autocheckpoint = 0"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("CREATE TABLE point (seq INTEGER PRIMARY KEY, body BLOB)")
        for epoch, rows in enumerate((60, 25)):
            for _ in range(rows):
                db.execute("INSERT INTO point (body) VALUES (?)", (b"%d" % epoch * 3000,))
            if not epoch:
                db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        return path.read_bytes(), path.with_name("some.db-wal").read_bytes()


def replayed_by_sqlite(folder, database, log):
    """How many frames SQLite takes of this log."""
    path = folder / "some.db"
    path.write_bytes(database)
    path.with_name("some.db-wal").write_bytes(log)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        return max(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1], 0)


def flipped(log, at, bit=0):
    damaged = bytearray(log)
    damaged[at] ^= 1 << bit
    return bytes(damaged)


def test_a_whole_log_is_replayed_completely_but_not_its_older_epoch(image):
    content = wal.read(image[1])
    assert len(image[1]) > HEAD + FRAME * (len(content.frames) + 10)
    assert content.replayed == len(content.frames) > 25
    assert sum(frame.commits for frame in content.frames) == 25
    assert all(frame.is_sound for frame in content.frames)
    assert content.hidden == 0


def test_the_replayed_frames_are_those_of_sqlite_for_any_damage(image, tmp_path):
    database, log = image
    dice = random.Random(3)
    for _ in range(40):
        damaged = log
        for _ in range(dice.choice([0, 1, 1, 3])):
            damaged = flipped(damaged, dice.randrange(len(log) // 2), dice.randrange(8))
        damaged = damaged[: dice.randrange(len(log)) if dice.random() < 0.3 else len(log)]
        replayed = wal.read(damaged).replayed
        assert replayed == replayed_by_sqlite(tmp_path, database, damaged)


@pytest.mark.parametrize("place", [0, 3, 6, 9, 14, 17, 22, 24, 1000, FRAME - 1])
def test_every_committed_frame_behind_a_damaged_one_is_read(image, place):
    log = image[1]
    whole = wal.read(log)
    content = wal.read(flipped(log, HEAD + 5 * FRAME + place, 6))
    assert content.replayed <= 5
    assert len(content.frames) == len(whole.frames)
    for number, (frame, was) in enumerate(zip(content.frames, whole.frames, strict=True)):
        assert set(was.numbers) <= set(frame.numbers)
        assert frame.page == was.page or number == 5
    assert content.hidden >= 20


@pytest.mark.parametrize("place", range(0, HEAD, 3))
def test_a_damaged_header_of_the_log_hides_all_of_it_from_sqlite_alone(image, place):
    whole = wal.read(image[1])
    content = wal.read(flipped(image[1], place, 5))
    assert content.replayed == 0
    assert [frame.page for frame in content.frames] == [frame.page for frame in whole.frames]


def test_a_transaction_without_its_commit_is_left_out(image):
    log, whole = image[1], wal.read(image[1])
    before = max(n for n, frame in enumerate(whole.frames[:-1]) if frame.commits) + 1
    cut = log[: HEAD + FRAME * (len(whole.frames) - 1)]
    assert len(wal.read(cut).frames) == before


@pytest.mark.parametrize("log", [b"", b"x" * 31, b"\0" * 9000, b"\xff" * 9000])
def test_a_file_that_is_not_a_log_has_no_frames(log):
    assert wal.read(log) == wal.Wal([])


def test_the_header_says_which_frames_are_current_where_the_first_one_is_damaged(image):
    """With the frames behind a second damage too."""
    log, whole = image[1], wal.read(image[1])
    damaged = flipped(flipped(log, HEAD + 8, 6), HEAD + 5 * FRAME + 1000, 6)
    assert len(wal.read(damaged).frames) == len(whole.frames)


def test_the_first_frame_says_it_where_the_header_is_damaged(image):
    log, whole = image[1], wal.read(image[1])
    for at in (16, 20, 24, 28):
        damaged = flipped(flipped(log, at, 6), HEAD + 1000, 6)
        assert len(wal.read(damaged).frames) == len(whole.frames)
