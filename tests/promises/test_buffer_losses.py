"""Promise: every loss is counted, journalled and reported."""

import shutil
import sqlite3
from contextlib import closing

from gateway.api import line_protocol
from gateway.api.model import SECOND, Envelope, Kind, Loss
from gateway.buffer.repair.high_water import HighWaterMarks
from gateway.buffer.store import Store
from gateway.core import points
from gateway.core.stored_points import StoredPoints

A, S = Kind.ALERT, Kind.SUMMARY
SINKS = {"cloud": frozenset(Kind)}
BIG = 10**9


def opened(path, **more):
    return Store(
        path, BIG, SINKS, lambda: 1_000 * SECOND, handling=StoredPoints("plant", "line"), **more
    )


def some_points(kind, count):
    return [Envelope(kind, n, b"point %03d " % n + b"x" * 100) for n in range(1, count + 1)]


def test_a_tail_that_vanished_from_the_log_is_reported(tmp_path):
    path = tmp_path / "buffer.db"
    store = opened(path)
    store.append(some_points(A, 3), {})
    store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    kept = path.read_bytes()
    store.append(some_points(A, 5), {})
    store.close()
    path.write_bytes(kept)
    with closing(opened(path)) as store:
        assert store.dropped == {(A, "lost_tail"): 5}
        assert [e.key for e in store.lease("cloud", 10, BIG)] == [1, 2, 3]
        store.append(some_points(A, 1), {})
        assert [e.key for e in store.lease("cloud", 10, BIG)][-1] == 9
    with closing(opened(path)) as store:
        assert not store.dropped


def test_a_kill_before_a_loss_is_journalled_leaves_it_to_be_detected_again(tmp_path, monkeypatch):
    path, killed = tmp_path / "buffer.db", tmp_path / "killed"
    with closing(opened(path)) as store:
        store.append(some_points(A, 3), {})
        store._contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        kept = path.read_bytes()
        store.append(some_points(A, 5), {})
    path.write_bytes(kept)
    marks = HighWaterMarks.write

    def write(self, *args, **more):
        marks(self, *args, **more)
        if not killed.exists():
            shutil.copytree(tmp_path, killed)

    with monkeypatch.context() as patch:
        patch.setattr(HighWaterMarks, "write", write)
        opened(path).close()
    with closing(opened(killed / "buffer.db")) as store:
        assert store.dropped == {(A, "lost_tail"): 5}


def test_a_damaged_file_is_salvaged_row_by_row(tmp_path):
    path = tmp_path / "buffer.db"
    with closing(opened(path)) as store:
        store.append(some_points(A, 400), {"pump": b"state"})
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'alert'").fetchone()
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    assert pages > root + 5
    image = bytearray(path.read_bytes())
    image[4096 * (pages - 3) : 4096 * (pages - 2)] = b"\xff" * 4096
    path.write_bytes(image)
    with closing(opened(path)) as store:
        assert len(store.set_aside) == 1
        lost = store.dropped[A, "damaged"]
        assert 0 < lost < 60
        assert len(store.lease("cloud", BIG, BIG)) == 400 - lost
        assert store.load_checkpoint("pump") == b"state"


def test_a_loss_reaches_the_cloud_as_a_gap_marker_once(tmp_path):
    with closing(opened(tmp_path / "buffer.db")) as store:
        store.note(Loss(S, "no_room", 7, 100, 200))
        store.note(Loss(S, "no_room", 3, 50, 150))
        store.maintain()
        (marker,) = store.lease("cloud", 10, BIG)
        point = line_protocol.decode(marker.body)
        assert point.measurement == points.GATEWAY
        assert point.fields == {
            "gap_class": "summary",
            "gap_reason": "no_room",
            "gap_count": 10,
            "gap_from": 50,
            "gap_to": 200,
        }
        store.ack("cloud", [marker])
        store._reported_at = float("-inf")
        store.maintain()
        assert store.lease("cloud", 10, BIG) == []
        assert store.dropped == {(S, "no_room"): 10}


def test_old_summaries_expire_but_alerts_never(tmp_path):
    with closing(opened(tmp_path / "buffer.db", max_age=900 * SECOND)) as store:
        store.append([Envelope(kind, 50 * SECOND, b"old") for kind in (A, S)], {})
        store.append([Envelope(S, 500 * SECOND, b"new")], {})
        store.maintain()
        assert [e.body for e in store.lease("cloud", 10, BIG)] == [b"old"]
        assert store.dropped == {(S, "expired"): 1}
        assert store.stats()["summaries"] == 1
