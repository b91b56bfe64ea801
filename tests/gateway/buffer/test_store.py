import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog

from gateway.api.contracts import Fatal
from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer import store as store_module
from gateway.buffer.database import TABLES
from gateway.buffer.errors import BufferFull
from gateway.buffer.repair import recovery
from gateway.buffer.repair.high_water import HighWaterMarks
from gateway.buffer.rows import cost
from gateway.buffer.store import Store

A, S, G, C = Kind
ALL = frozenset(Kind)
BIG = 10**9


def store(path, sinks=None, max_bytes=BIG):
    return Store(path, max_bytes, {"cloud": ALL} if sinks is None else sinks, lambda: 1_000)


def points(kind, *bodies):
    return [Envelope(kind, at, body.encode()) for at, body in enumerate(bodies, 1)]


def bodies(envelopes):
    return [envelope.body.decode() for envelope in envelopes]


def lease(opened, sink="cloud", rows=1000, size=BIG):
    return opened.lease(sink, rows, size)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "buffer.db"


def test_alerts_are_leased_before_what_came_earlier(path):
    with closing(store(path)) as opened:
        opened.append(points(G, "g1") + points(S, "s1", "s2"), {})
        opened.append(points(A, "a1", "a2"), {})
        assert bodies(lease(opened)) == ["a1", "a2"]
        opened.ack("cloud", lease(opened))
        assert bodies(lease(opened)) == ["s1", "s2", "g1"]


def test_what_is_leased_stays_until_it_is_acknowledged(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
        assert lease(opened) == lease(opened) != []
        opened.ack("cloud", lease(opened))
        assert lease(opened) == []
        assert opened.stats()["alerts"] == 0


def test_a_lease_keeps_to_rows_and_bytes_but_gives_at_least_one(path):
    with closing(store(path)) as opened:
        opened.append(points(S, "x" * 10, "y" * 10, "z" * 10), {})
        assert len(lease(opened, rows=2)) == 2
        assert len(lease(opened, size=20)) == 2
        assert len(lease(opened, size=5)) == 1


def test_a_point_comes_back_with_all_it_had(path):
    with closing(store(path)) as opened:
        opened.append([Envelope(S, 42, b"\x00body\xff", version=3)], {})
        assert lease(opened) == [Envelope(S, 42, b"\x00body\xff", version=3, key=1)]


def test_each_sink_has_its_own_progress(path):
    sinks = {"cloud": ALL, "panel": frozenset({A})}
    with closing(store(path, sinks)) as opened:
        opened.append(points(A, "a1", "a2") + points(S, "s1"), {})
        opened.ack("cloud", lease(opened))
        assert bodies(lease(opened, "panel")) == ["a1", "a2"]
        assert opened.stats()["alerts"] == 2
        opened.ack("panel", lease(opened, "panel", rows=1))
        assert opened.stats()["alerts"] == 1
    with closing(store(path, sinks)) as opened:
        assert bodies(lease(opened, "panel")) == ["a2"]
        assert bodies(lease(opened)) == ["s1"]


def test_a_new_sink_gets_all_that_is_still_stored(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
    with closing(store(path, {"cloud": ALL, "new": ALL})) as opened:
        assert bodies(lease(opened, "new")) == ["a1"]


def test_a_sink_that_is_gone_is_waited_for_no_longer(path):
    with closing(store(path, {"cloud": ALL, "old": ALL})) as opened:
        opened.append(points(A, "a1"), {})
    with closing(store(path)) as opened:
        opened.ack("cloud", lease(opened))
        assert opened.stats()["alerts"] == 0


def test_what_no_sink_accepts_is_not_stored(path):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1"), {})
    with closing(store(path, {"panel": frozenset({A})})) as opened:
        assert opened.append(points(S, "s2") + points(A, "a1"), {}) == {A}
        assert (opened.stats()["summaries"], opened.stats()["alerts"]) == (0, 1)
        assert opened.dropped == Counter({(S, "no_sink"): 1})


def test_an_ack_out_of_order_leaves_what_is_between(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2", "a3"), {})
        first, second, third = lease(opened)
        opened.ack("cloud", [first, third])
        assert bodies(lease(opened)) == ["a2"]
        opened.ack("cloud", [second])
        assert lease(opened) == []
        assert opened.stats()["alerts"] == 0


def test_a_rejected_point_holds_up_nobody_and_is_kept_with_the_reason(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "poison", "a3"), {})
        poison = lease(opened)[1]
        opened.reject("cloud", [poison], "field type conflict")
        assert bodies(lease(opened)) == ["a1", "a3"]
    with closing(store(path)) as opened:
        assert bodies(lease(opened)) == ["a1", "a3"]
        assert opened.stats()["dead_letters"] == 1
    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT sink, body, why, rejected_at FROM dead_letter").fetchall()
    assert kept == [("cloud", b"poison", "field type conflict", 1_000)]


def test_a_rejected_point_still_goes_to_the_other_sink(path):
    with closing(store(path, {"cloud": ALL, "file": ALL})) as opened:
        opened.append(points(A, "a1"), {})
        opened.reject("cloud", lease(opened), "no")
        assert bodies(lease(opened, "file")) == ["a1"]


def test_numbers_are_never_used_twice(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2"), {})
        opened.ack("cloud", lease(opened))
    with closing(store(path)) as opened:
        opened.append(points(A, "a3"), {})
        assert [e.key for e in lease(opened)] == [3]


def test_short_of_space_the_oldest_summaries_go_first(path):
    limit = 4 * cost(b"xx")
    with closing(store(path, max_bytes=limit)) as opened:
        opened.append(points(A, "a1") + points(G, "g1") + points(S, "s1", "s2"), {})
        opened.append(points(S, "s3"), {})
        assert opened.dropped == Counter({(S, "evicted"): 1})
        opened.append(points(A, "a2", "a3", "a4"), {})
        assert bodies(lease(opened)) == ["a1", "a2", "a3", "a4"]
        assert opened.dropped == Counter({(S, "evicted"): 3, (G, "evicted"): 1})
        opened.append(points(A, "a5"), {})
        assert bodies(lease(opened)) == ["a2", "a3", "a4", "a5"]
        assert opened.dropped[A, "evicted"] == 1
        assert opened.stats()["bytes"] == limit


def test_no_more_is_evicted_than_is_needed(path):
    with closing(store(path, max_bytes=3000 * cost(b"0000"))) as opened:
        opened.append(points(S, *(f"{n:04}" for n in range(5000))), {})
        assert [bodies(lease(opened))[0], opened.stats()["summaries"]] == ["2000", 3000]


def test_what_was_evicted_under_a_lease_may_still_be_acknowledged(path):
    with closing(store(path, max_bytes=2 * cost(b"s1"))) as opened:
        opened.append(points(S, "s1", "s2"), {})
        leased = lease(opened)
        opened.append(points(S, "s3"), {})
        opened.ack("cloud", leased)
        assert bodies(lease(opened)) == ["s3"]


def test_a_gap_that_was_evicted_holds_nothing_back(path):
    with closing(store(path, max_bytes=3 * cost(b"s1"))) as opened:
        opened.append(points(S, "s1", "s2", "s3"), {})
        opened.ack("cloud", lease(opened)[1:])
        opened.append(points(S, "s4"), {})
        assert bodies(lease(opened)) == ["s4"]
        assert opened.stats()["summaries"] == 1


def test_a_checkpoint_is_stored_with_its_points(path):
    with closing(store(path)) as opened:
        assert opened.load_checkpoint("pump") is None
        opened.append(points(A, "a1"), {"pump": b"one"})
        opened.append([], {"pump": b"two"})
    with closing(store(path)) as opened:
        assert opened.load_checkpoint("pump") == b"two"


def test_an_append_that_fails_leaves_nothing_behind(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {"pump": b"one"})
        broken = [*points(A, "a2"), Envelope(A, 1, None)]
        with pytest.raises((sqlite3.Error, TypeError)):
            opened.append(broken, {"pump": b"two"})
        assert (bodies(lease(opened)), opened.load_checkpoint("pump")) == (["a1"], b"one")
        opened.append(points(A, "a3"), {})
        assert bodies(lease(opened)) == ["a1", "a3"]


@pytest.mark.parametrize("column", ["at", "version", "body", "crc"])
def test_a_damaged_row_is_set_aside_and_its_neighbours_are_sent(path, column):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2", "a3"), {})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE alert SET {column} = 'wrong' WHERE seq = 2")
    with closing(store(path)) as opened:
        assert bodies(lease(opened)) == ["a1", "a3"]
        assert opened.dropped == Counter({(A, "corrupt"): 1})
        assert (opened.stats()["alerts"], opened.stats()["dead_letters"]) == (2, 1)
        opened.ack("cloud", lease(opened))
        assert (opened.stats()["alerts"], opened.stats()["bytes"]) == (0, 0)


def test_a_row_under_a_wrong_number_is_damaged(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2"), {})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alert SET seq = 7 WHERE seq = 2")
    with closing(store(path)) as opened:
        assert bodies(lease(opened)) == ["a1"]


def test_a_damaged_cursor_sends_again_rather_than_not_at_all(path):
    sinks = {"cloud": ALL, "slow": ALL}
    with closing(store(path, sinks)) as opened:
        opened.append(points(A, "a1", "a2", "a3"), {})
        opened.ack("cloud", lease(opened, rows=1))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE cursor SET seq = 3")
    with closing(store(path, sinks)) as opened:
        assert bodies(lease(opened)) == ["a1", "a2", "a3"]


def test_a_damaged_checkpoint_is_none(path):
    with closing(store(path)) as opened:
        opened.append([], {"pump": b"one"})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE checkpoint SET state = x'00'")
    with closing(store(path)) as opened:
        assert opened.load_checkpoint("pump") is None


@pytest.mark.parametrize(
    "content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\7" * 9000]
)
def test_a_damaged_file_is_set_aside_and_replaced(path, content):
    path.write_bytes(content)
    with closing(store(path)) as opened:
        (aside,) = opened.set_aside
        assert aside.name == "buffer.db.corrupt-19700101T000000Z"
        assert aside.read_bytes() == content
        opened.append(points(A, "a1"), {})
    with closing(store(path)) as opened:
        assert bodies(lease(opened)) == ["a1"]
        assert opened.set_aside == []


def test_a_second_damaged_file_does_not_replace_the_first(path):
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        store(path).close()
        path.unlink()
    assert len(list(path.parent.glob("*.corrupt-*"))) == 2


def test_a_file_of_a_newer_version_is_left_alone(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
        # One flipped bit in the number alone would be damage.
        db.execute(f"PRAGMA application_id = {0x616E6400 + 99}")
    with pytest.raises(Fatal, match="format 99"):
        store(path)
    assert path.exists()


def test_a_file_of_an_older_version_is_taken_over(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE clip")
        db.execute("PRAGMA user_version = 2")
    with closing(store(path)) as opened:
        opened.append(points(C, "c1"), {})
        assert bodies(lease(opened)) == ["a1"]
        assert (opened.stats()["clips"], opened.set_aside) == (1, [])


def test_a_file_that_cannot_be_opened_is_fatal_and_left_alone(path):
    path.mkdir()
    with pytest.raises(Fatal):
        store(path)
    assert path.is_dir()


def test_after_starting_over_an_old_ack_hits_no_new_row(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2"), {})
        old = lease(opened)
        opened.start_over()
        opened.append(points(A, "b1", "b2"), {})
        opened.ack("cloud", old)
        assert bodies(lease(opened)) == ["b1", "b2"]


def test_no_second_connection_can_open_the_file(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
        with (
            closing(sqlite3.connect(path, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("SELECT COUNT(*) FROM alert").fetchone()


def test_the_file_is_opened_for_durability(path):
    with closing(store(path)) as opened:
        asked = {
            name: opened._contents.db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint")
        }
    full = 2
    assert asked == {
        "journal_mode": "wal",
        "synchronous": full,
        "page_size": 4096,
        "wal_autocheckpoint": 200,
    }


def test_the_dead_letters_of_clips_push_out_no_alert(path, monkeypatch):
    monkeypatch.setattr("gateway.buffer.dead_letters.KEPT", 6)
    monkeypatch.setattr("gateway.buffer.dead_letters.KEPT_CLIPS", 2)
    with closing(store(path)) as opened:
        opened.append(points(A, "a1") + points(C, *(f"c{n}" for n in range(20))), {})
        for _ in range(21):
            opened.reject("cloud", lease(opened, rows=1), "no")
        kept = [letter.body.decode() for letter in opened.dead_letters(100)]
    assert kept == ["c19", "c18", "a1"]


def test_only_the_newest_dead_letters_are_kept(path, monkeypatch):
    monkeypatch.setattr("gateway.buffer.dead_letters.KEPT", 3)
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2", "s3", "s4", "s5"), {})
        opened.reject("cloud", lease(opened), "no")
        assert opened.stats()["dead_letters"] == 3
        assert lease(opened) == []


def test_the_tables_are_one_per_class():
    assert sorted(TABLES) == sorted(Kind)
    assert len(set(TABLES.values())) == len(Kind)


def test_an_envelope_is_stored_whatever_key_it_had(path):
    with closing(store(path)) as opened:
        opened.append([replace(points(A, "a1")[0], key=99)], {})
        assert [e.key for e in lease(opened)] == [1]


@pytest.mark.parametrize(("pages", "kept"), [(30, {A: 50}), (10, {})])
def test_without_room_for_a_copy_alerts_are_salvaged_first(path, monkeypatch, pages, kept):
    with closing(store(path)) as opened:
        bodies = [f"{n:04}" * 50 for n in range(400)]
        opened.append(points(S, *bodies) + points(A, *bodies[:50]), {})
    make = recovery.open_database

    def small(name):
        db = make(name)
        if name.name.endswith(".partial"):
            db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        return db

    monkeypatch.setattr(recovery, "open_database", small)
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    with closing(store(path)) as opened:
        held = {kind: opened.stats()[name] for kind, name in ((A, "alerts"), (S, "summaries"))}
        assert held == {A: 0, S: 0} | kept
        lost = {A: 50 - held[A], S: 400}
        assert opened.dropped == Counter({(k, "damaged"): n for k, n in lost.items() if n})
        opened.append(points(A, "a1"), {})


class Spied(HighWaterMarks):
    """Marks that note what was written, and whether it survives a power cut."""

    def __init__(self, path):
        super().__init__(path)
        self.writes = []

    def write(self, marks, *, durable):
        if marks != self.current:
            self.writes.append((marks[S].leased, durable))
        super().write(marks, durable=durable)


@pytest.fixture
def spied(monkeypatch):
    monkeypatch.setattr(store_module, "HighWaterMarks", Spied)


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that a test moves."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(store_module, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_what_a_sink_gets_is_marked_on_disk_before_it_gets_it(path, spied):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1") + points(S, "s1", "s2", "s3"), {})
        opened._marks.writes.clear()
        lease(opened)
        assert opened._marks.writes == [], "alerts are never merged"
        opened.ack("cloud", lease(opened))
        opened._marks.writes.clear()
        lease(opened, rows=2)
        assert opened._marks.writes == [(2, True)]
        lease(opened, rows=1)
        lease(opened, rows=2)
        assert opened._marks.writes == [(2, True)], "it is marked already"
        lease(opened)
        assert opened._marks.writes[1:] == [(3, True)]


def test_what_is_requeued_is_marked_as_if_a_sink_had_it(path, spied):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2") + points(A, "a1"), {})
        for _ in range(2):
            opened.reject("cloud", lease(opened), "no")
        opened._marks.writes.clear()
        assert opened.requeue(None) == 3
        assert (4, True) in opened._marks.writes
        opened.reject("cloud", lease(opened), "no")
        opened._marks.writes.clear()
        assert opened.requeue(None) == 1
        assert {leased for leased, _ in opened._marks.writes} == {4}, "an alert is never merged"


def test_an_append_survives_a_power_cut_with_its_marks(path, spied):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1"), {})
        assert opened._marks.writes[-1] == (0, True)


def test_a_lane_is_leased_up_to_the_lowest_class(path):
    with closing(store(path)) as opened:
        opened.append(points(C, "c1") + points(G, "g1") + points(S, "s1"), {})
        assert bodies(opened.lease("cloud", 9, BIG, lowest=A)) == []
        assert bodies(opened.lease("cloud", 9, BIG, lowest=S)) == ["s1"]
        assert bodies(opened.lease("cloud", 9, BIG, lowest=G)) == ["s1", "g1"]
        opened.ack("cloud", lease(opened))
        assert bodies(opened.lease("cloud", 9, BIG, lowest=G)) == []
        assert bodies(lease(opened)) == ["c1"]


def test_the_classes_of_a_lane_share_the_rows_and_the_bytes(path):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2") + points(G, "g1", "g2"), {})
        assert bodies(lease(opened, rows=3)) == ["s1", "s2", "g1"]
        assert bodies(lease(opened, rows=2)) == ["s1", "s2"]
        assert bodies(lease(opened, size=6)) == ["s1", "s2", "g1"]
        assert bodies(lease(opened, size=5)) == ["s1", "s2", "g1"], "one of each class at least"
        assert bodies(lease(opened, size=4)) == ["s1", "s2"]


def test_a_run_of_damaged_rows_is_passed_in_one_lease(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1", "a2", "a3", "a4"), {})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE alert SET at = 99 WHERE seq < 4")
    with closing(store(path)) as opened:
        assert bodies(lease(opened, rows=2)) == ["a4"]
        assert opened.stats()["losses"] == [
            {"kind": "alert", "reason": "corrupt", "count": 3, "since": 1_000, "until": 1_000}
        ]
        (newest, *_), count = opened.dead_letters(9), opened.stats()["dead_letters"]
        assert (newest.sink, newest.body, newest.rejected_at, count) == ("", b"a3", 1_000, 3)


def test_a_rejection_is_a_loss_of_each_class(path):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2") + points(G, "g1"), {})
        opened.reject("cloud", lease(opened), "no")
        assert opened.dropped == Counter({(S, "rejected"): 2, (G, "rejected"): 1})
        assert opened.stats()["losses"][-1] == {
            "kind": "summary", "reason": "rejected", "count": 2, "since": 1, "until": 2,
        }  # fmt: skip


def test_dead_letters_are_sent_again_to_the_sink_that_rejected_them_under_new_numbers(path):
    with closing(store(path, {"cloud": ALL, "file": ALL})) as opened:
        opened.append(points(A, "a1", "a2"), {})
        opened.ack("file", lease(opened, "file"))
        opened.reject("cloud", lease(opened), "no")
        assert opened.requeue([2]) == 1
        assert [(e.key, e.body) for e in lease(opened)] == [(3, b"a2")]
        assert lease(opened, "file") == []
        assert opened.requeue([99]) == 0


def test_an_ack_stores_a_state_with_what_it_forgets(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
        opened.ack("cloud", lease(opened), {"#budget": b"5"})
        opened.ack("cloud", [])
        assert opened.load_checkpoint("#budget") == b"5"


def test_points_of_an_unwanted_class_are_a_loss_with_their_times(path):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2"), {})
    with closing(store(path, {"panel": frozenset({A})})) as opened:
        assert opened.stats()["losses"] == [
            {"kind": "summary", "reason": "no_sink", "count": 2, "since": 1, "until": 2}
        ]
    with closing(store(path, {"panel": frozenset({A})})) as opened:
        assert not opened.dropped, "it is counted once"


def sqlite_error(code):
    made = sqlite3.OperationalError("from sqlite")
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize(
    ("code", "stops"), [(sqlite3.SQLITE_FULL, False), (sqlite3.SQLITE_BUSY, True)]
)
def test_a_full_disk_does_not_keep_the_store_from_opening(path, monkeypatch, code, stops):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1"), {})

    def refuse(*_):
        raise sqlite_error(code)

    monkeypatch.setattr("gateway.buffer.rows.PointTable.delete", refuse)
    if stops:
        with pytest.raises(sqlite3.OperationalError):
            store(path, {"panel": frozenset({A})})
    else:
        store(path, {"panel": frozenset({A})}).close()


class Ballast:
    """A ballast whose room a test gives and takes; what was asked of it."""

    def __init__(self):
        self.released, self.room, self.asked = False, False, []

    def restore(self):
        self.asked.append("restore")
        self.released = self.released and not self.room
        return not self.released

    def is_scarce(self):
        return False

    def release(self):
        self.asked.append("release")
        held, self.released = not self.released, True
        return held


def on_a_full_disk(opened, monkeypatch, times, code=sqlite3.SQLITE_FULL):
    """The next inserts fail; with a ballast of the test."""
    opened._ballast, errors = Ballast(), [sqlite_error(code)] * times
    insert = opened._insert

    def failing(*given):
        if errors:
            raise errors.pop()
        insert(*given)

    monkeypatch.setattr(opened, "_insert", failing)
    return opened._ballast


def test_on_a_full_disk_alerts_get_the_ballasts_room(path, monkeypatch):
    with closing(store(path)) as opened:
        ballast = on_a_full_disk(opened, monkeypatch, 1)
        with structlog.testing.capture_logs() as logs:
            assert opened.append(points(A, "a1"), {"pump": b"one"}) == {A}
        assert ballast.asked == ["release"]
        assert (bodies(lease(opened)), opened.load_checkpoint("pump")) == (["a1"], b"one")
        assert logs == [
            {"event": "buffer.ballast_released", "log_level": "error", "why": "from sqlite"}
        ]
        assert opened.stats()["ballast_held"] is False


def test_summaries_never_get_the_ballasts_room(path, monkeypatch):
    with closing(store(path)) as opened:
        ballast = on_a_full_disk(opened, monkeypatch, 1)
        with pytest.raises(sqlite3.OperationalError, match="from sqlite"):
            opened.append(points(A, "a1") + points(S, "s1"), {})
        assert ballast.asked == []


def test_another_error_costs_no_ballast(path, monkeypatch):
    with closing(store(path)) as opened:
        ballast = on_a_full_disk(opened, monkeypatch, 1, sqlite3.SQLITE_BUSY)
        with pytest.raises(sqlite3.OperationalError):
            opened.append(points(A, "a1"), {})
        assert ballast.asked == []


def test_a_ballast_that_is_gone_already_helps_no_more(path, monkeypatch):
    with closing(store(path)) as opened:
        ballast = on_a_full_disk(opened, monkeypatch, 1)
        ballast.released = True
        with pytest.raises(sqlite3.OperationalError):
            opened.append(points(A, "a1"), {})


def test_while_the_ballast_is_released_only_alerts_are_stored(path, monkeypatch):
    with closing(store(path)) as opened:
        ballast = on_a_full_disk(opened, monkeypatch, 0)
        ballast.released = True
        with pytest.raises(BufferFull):
            opened.append(points(A, "a1") + points(S, "s1"), {})
        assert opened.append(points(A, "a1"), {}) == {A}
        assert opened.append([], {"pump": b"one"}) == set()
        ballast.room = True
        assert opened.append(points(S, "s1"), {}) == {S}
        assert ballast.asked == ["restore", "restore"]


def test_maintenance_takes_the_ballast_back(path):
    with closing(store(path)) as opened:
        opened._ballast = Ballast()
        opened._ballast.released = opened._ballast.room = True
        opened.maintain()
        assert not opened._ballast.released


class Handling:
    """Makes gap markers, and knows nothing of summaries and alerts."""

    merge_interval = 900 * 10**9

    def merge(self, summaries):
        return [], []

    def alarm(self, alert):
        return None

    def gap_marker(self, loss, at):
        return Envelope(G, at, f"{loss.kind.name} {loss.reason} {loss.count}".encode())


def marking(path, **more):
    options = {"max_age": None, "handling": Handling(), **more}
    return Store(path, BIG, {"cloud": ALL}, lambda: 1_000, **options)


def test_losses_are_reported_a_nanosecond_apart_and_once(path, clock):
    with closing(marking(path)) as opened:
        opened.note(Loss(S, "no_room", 5, 1, 2))
        opened.note(Loss(C, "per_hour", 3, 1, 2))
        with structlog.testing.capture_logs() as logs:
            assert opened.maintain() == {G}
        assert [(e.at, e.body.decode()) for e in lease(opened)] == [
            (1_001, "SUMMARY no_room 5"),
            (1_002, "CLIP per_hour 3"),
        ]
        assert logs[0] == {
            "event": "buffer.lost", "log_level": "error", "kind": "summary", "reason": "no_room",
            "count": 5, "since": 1, "until": 2,
        }  # fmt: skip
        clock.now += 1000
        assert opened.maintain() == set()
        assert opened.stats()["gateway"] == 2


def test_losses_are_reported_at_most_once_a_minute(path, clock):
    with closing(marking(path)) as opened:
        opened.note(Loss(S, "no_room", 5, 1, 2))
        opened.maintain()
        opened.note(Loss(S, "no_room", 6, 1, 2))
        clock.now += 59.9
        assert opened.maintain() == set()
        assert opened._contents.losses.unreported() == [Loss(S, "no_room", 6, 1, 2)]
        clock.now += 0.1
        assert opened.maintain() == {G}


@pytest.mark.parametrize(
    ("sinks", "given"), [({"panel": frozenset({A})}, Handling()), ({"cloud": ALL}, None)]
)
def test_where_no_marker_can_go_losses_are_logged_alone(path, clock, sinks, given):
    with closing(Store(path, BIG, sinks, lambda: 1_000, handling=given)) as opened:
        opened.note(Loss(S, "no_room", 5, 1, 2))
        with structlog.testing.capture_logs() as logs:
            kinds = opened.maintain()
        assert kinds == ({G} if given is None else set())
        assert [each["event"] for each in logs] == ["buffer.lost"]
        assert opened.stats()["gateway"] == 0


@pytest.mark.parametrize(("oldest", "gone"), [(500, 0), (499, 1)])
def test_what_is_older_than_the_greatest_age_expires(path, oldest, gone):
    with closing(marking(path, max_age=500)) as opened:
        opened.append([Envelope(S, oldest, b"s1"), Envelope(S, 900, b"s2")], {})
        opened.append([Envelope(A, 1, b"a1")], {})
        opened.maintain(expire=False)
        assert opened.stats()["summaries"] == 2
        opened.maintain()
        assert opened.dropped == Counter({(S, "expired"): gone} if gone else {})
        assert (opened.stats()["alerts"], opened.stats()["summaries"]) == (1, 2 - gone)


def test_without_a_greatest_age_nothing_expires(path):
    with closing(marking(path, max_age=None)) as opened:
        opened.append([Envelope(S, 1, b"s1")], {})
        opened.maintain()
        assert opened.stats()["summaries"] == 1


def test_the_log_is_emptied_into_the_file_every_half_minute(path, clock):
    with closing(store(path)) as opened:
        statements = []
        opened._contents.db.set_trace_callback(statements.append)
        for passed, checkpoints in ((29.9, 0), (0.1, 1), (29.9, 1), (0.1, 2)):
            clock.now += passed
            opened.maintain()
            assert statements.count("PRAGMA wal_checkpoint(PASSIVE)") == checkpoints


@pytest.mark.parametrize(("share", "merges"), [(0.8, 0), (0.81, 1)])
def test_summaries_are_merged_above_four_fifths_of_the_room(path, monkeypatch, share, merges):
    with closing(store(path)) as opened:
        opened.append(points(S, "s1", "s2") + points(C, "c1"), {})
        opened._max_bytes = opened._contents.space.kept / share
        merged = []
        monkeypatch.setattr(opened, "merge", lambda: merged.append(1))
        opened.maintain()
        assert len(merged) == merges


def test_the_figures_are_plain_values(path, monkeypatch):
    monkeypatch.setattr("time.localtime", time.gmtime)
    at = "1970-01-01 00:00"
    words = f"sink cloud: 1 alert refused since {at} (no): andon buffer LINE.yaml list"
    with closing(store(path, max_bytes=5_000)) as opened:
        opened.append(points(A, "a1") + points(S, "s1", "s2") + points(C, "c1"), {})
        opened.reject("cloud", lease(opened), "no")
        assert opened.stats() == {
            "alerts": 0,
            "summaries": 2,
            "gateway": 0,
            "clips": 1,
            "bytes": 3 * cost(b"xx"),
            "bytes_without_clips": 2 * cost(b"xx"),
            "max_bytes": 5_000,
            "oldest_at": 1,
            "dropped": 1,
            "dropped_by": {"alert.rejected": 1},
            "merged": 0,
            "dead_letters": 1,
            "set_aside": [],
            "ballast_held": True,
            "losses": [{"kind": "alert", "reason": "rejected", "count": 1, "since": 1, "until": 1}],
            "given_up": [
                {
                    "sink": "cloud",
                    "class": "alert",
                    "count": 1,
                    "since": 1000,
                    "until": 1000,
                    "why": "no",
                    "is_news": True,
                }
            ],
            "given_up_why": [words],
            "journal": {
                "entries": 0,
                "bytes": 0,
                "oldest_at": None,
                "max_bytes": 2**28,
                "missing_by": {},
            },
        }


def test_a_file_that_was_replaced_is_named_in_the_figures(path):
    with closing(store(path)) as opened:
        opened.append(points(A, "a1"), {})
        before = opened._contents.db
        opened.start_over()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            before.execute("SELECT 1")
        assert bodies(lease(opened)) == ["a1"]
        assert opened.stats()["set_aside"] == [opened.set_aside[0].name]
        before = opened._contents.db
        opened.reopen()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            before.execute("SELECT 1")
        assert bodies(lease(opened)) == ["a1"]
        assert len(opened.set_aside) == 1


def test_no_more_bytes_are_kept_than_are_allowed_and_exactly_as_many_are(path):
    with closing(store(path, max_bytes=3 * cost(b"s1"))) as opened:
        opened.append(points(S, "s1", "s2", "s3"), {})
        assert not opened.dropped
        opened.append(points(S, "s4"), {})
        assert opened.dropped == Counter({(S, "evicted"): 1})


def test_closing_gives_the_files_back(path):
    opened = store(path)
    opened.append(points(A, "a1"), {})
    opened.close()
    assert opened._marks._file is None
    assert not path.with_name("buffer.db-wal").exists()


def test_the_detectors_are_those_that_ever_had_a_checkpoint(path):
    with closing(store(path)) as opened:
        opened.append([], {"pump": b"{}", "#clock": b"{}", "fan": b"{}"})
        assert opened.detectors() == ["fan", "pump"]
