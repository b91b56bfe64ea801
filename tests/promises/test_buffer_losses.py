"""Promise: damage costs what it hit, the daemon always starts, and every loss is told."""

import random
import sqlite3
from contextlib import closing

import pytest

from gateway import codec
from gateway.buffer.database import Damaged, is_damage
from gateway.buffer.losses import Loss
from gateway.buffer.store import Store
from gateway.model import SECOND, Envelope, Kind

A, S = Kind.ALERT, Kind.SUMMARY
SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9
FLIPS = 200


def marker(loss, at):
    return codec.gap_envelope(
        loss.kind, loss.reason, loss.count, loss.since, loss.until, "plant", "line", at
    )


def opened(path, **more):
    return Store(path, BIG, SINKS, lambda: 1_000 * SECOND, marker=marker, **more)


def points(kind, count):
    return [Envelope(kind, n, b"point %03d " % n + b"x" * 100) for n in range(1, count + 1)]


def drain(store):
    """Every alert and summary that is left, however often the file must be replaced."""
    got = []
    while True:
        try:
            batch = store.lease("cloud", 50, BIG)
            store.ack("cloud", batch)
        except (sqlite3.DatabaseError, Damaged) as error:
            if not is_damage(error):
                raise
            store.start_over()
            continue
        if not batch:
            return got
        got += [(e.kind, e.body) for e in batch if e.kind is not Kind.GATEWAY]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A buffer as a crash leaves it: half of it in the database, half in the log."""
    path = tmp_path_factory.mktemp("image") / "buffer.db"
    store = opened(path)
    store.append(points(A, 100), {})
    store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store.append(points(S, 100), {"pump": b"state"})
    files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    store.close()
    return {name: body for name, body in files.items() if not name.endswith(".ballast")}


@pytest.mark.parametrize("victim", ["buffer.db", "buffer.db-wal"])
def test_a_flipped_bit_brings_no_wrong_point_and_what_it_cost_is_counted(image, victim, tmp_path):
    sent = {(e.kind, e.body) for kind in (A, S) for e in points(kind, 100)}
    dice, lossy = random.Random(7), 0
    for number in range(FLIPS):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, body in image.items():
            damaged = bytearray(body)
            if name == victim:
                damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
            (folder / name).write_bytes(damaged)
        with closing(opened(folder / "buffer.db")) as store:
            got = drain(store)
            assert set(got) <= sent
            missing = len(sent) - len(set(got))
            counted = sum(n for (kind, _), n in store.dropped.items() if kind in (A, S))
            assert counted >= missing, (number, store.dropped)
            lossy += bool(missing)
        for left in folder.iterdir():
            left.unlink()
    assert lossy


def test_a_tail_that_vanished_from_the_log_is_reported(tmp_path):
    path = tmp_path / "buffer.db"
    store = opened(path)
    store.append(points(A, 3), {})
    store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    kept = path.read_bytes()
    store.append(points(A, 5), {})
    store.close()
    path.write_bytes(kept)
    with closing(opened(path)) as store:
        assert store.dropped == {(A, "lost_tail"): 5}
        assert [e.key for e in store.lease("cloud", 10, BIG)] == [1, 2, 3]
        store.append(points(A, 1), {})
        assert [e.key for e in store.lease("cloud", 10, BIG)][-1] == 9
    with closing(opened(path)) as store:
        assert not store.dropped


def test_a_damaged_file_is_salvaged_row_by_row(tmp_path):
    path = tmp_path / "buffer.db"
    with closing(opened(path)) as store:
        store.append(points(A, 400), {"pump": b"state"})
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'alert'").fetchone()
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    assert pages > root + 5
    image = bytearray(path.read_bytes())
    image[4096 * (pages - 3) : 4096 * (pages - 2)] = b"\xff" * 4096
    path.write_bytes(image)
    with closing(opened(path)) as store:
        assert len(store.set_aside) == 1
        found = drain(store)
        lost = store.dropped[A, "damaged"]
        assert 0 < lost < 60
        assert len(found) == 400 - lost
        assert store.load_checkpoint("pump") == b"state"


def test_a_loss_reaches_the_cloud_as_a_gap_marker_once(tmp_path):
    with closing(opened(tmp_path / "buffer.db")) as store:
        store.note(Loss(S, "no_room", 7, 100, 200))
        store.note(Loss(S, "no_room", 3, 50, 150))
        store.tend()
        (told,) = store.lease("cloud", 10, BIG)
        point = codec.decode(told.body)
        assert point.measurement == codec.GATEWAY
        assert point.fields == {
            "gap_class": "summary",
            "gap_reason": "no_room",
            "gap_count": 10,
            "gap_from": 50,
            "gap_to": 200,
        }
        store.ack("cloud", [told])
        store._told_at = float("-inf")
        store.tend()
        assert store.lease("cloud", 10, BIG) == []
        assert store.dropped == {(S, "no_room"): 10}


def test_old_summaries_expire_and_old_alerts_never(tmp_path):
    with closing(opened(tmp_path / "buffer.db", max_age=900 * SECOND)) as store:
        store.append([Envelope(kind, 50 * SECOND, b"old") for kind in (A, S)], {})
        store.append([Envelope(S, 500 * SECOND, b"new")], {})
        store.tend()
        assert [e.body for e in store.lease("cloud", 10, BIG)] == [b"old"]
        assert store.dropped == {(S, "expired"): 1}
        assert store.stats()["summaries"] == 1
