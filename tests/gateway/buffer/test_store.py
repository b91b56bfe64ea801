import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from gateway.api.contracts import Fatal
from gateway.api.model import Envelope, Kind
from gateway.buffer.database import TABLES
from gateway.buffer.repair import recovery
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
