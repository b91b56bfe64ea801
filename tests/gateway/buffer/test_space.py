"""Eviction and expiry: who goes first, how much of it, and which alerts stay."""

import pytest

from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer import space as module
from gateway.buffer.rows import ALL, PointTable, cost
from gateway.buffer.space import OpenAlarms, Space

A, S, G, C = Kind
COST = cost(b"0123")
INTERVAL = 100


class Handling:
    """Merges the summaries of even times into one under the last number; `merges` notes what."""

    merge_interval = INTERVAL

    def __init__(self):
        self.merges = []

    def merge(self, summaries):
        self.merges.append([envelope.at for envelope in summaries])
        parts = [envelope for envelope in summaries if not envelope.at % 2]
        if len(parts) < 2:
            return [], []
        return [parts[-1]], [envelope.key for envelope in parts]

    def alarm(self, alert):
        name, _, state = alert.body.decode().partition(" ")
        return (name, state == "open") if state else None


@pytest.fixture
def rows(db):
    return {kind: PointTable(db, kind) for kind in Kind}


@pytest.fixture
def space(rows):
    return Space(rows, lambda _: 0, None)


def points(kind, *times):
    return [Envelope(kind, at, b"%04d" % at) for at in times]


def alert(name, at, active):
    return Envelope(A, at, f"{name} {'open' if active else 'over'}".encode())


def times(rows, kind):
    return [envelope.at for envelope in rows[kind].between(0, ALL).sound]


def fill(rows):
    rows[C].insert(points(C, 1, 2))
    rows[S].insert(points(S, 3, 4, 5))
    rows[G].insert(points(G, 6, 7))
    rows[A].insert(points(A, 8, 9))


def test_what_is_used_counts_every_class_and_what_is_kept_leaves_clips_out(rows, space):
    fill(rows)
    assert (space.used, space.kept) == (9 * COST, 7 * COST)


@pytest.mark.parametrize(
    ("left", "gone"),
    [
        (9, []),
        (8, [(C, 1, 1, 1)]),
        (7, [(C, 2, 1, 2)]),
        (6, [(C, 2, 1, 2), (S, 1, 3, 3)]),
        (4, [(C, 2, 1, 2), (S, 3, 3, 5)]),
        (3, [(C, 2, 1, 2), (S, 3, 3, 5), (G, 1, 6, 6)]),
        (1, [(C, 2, 1, 2), (S, 3, 3, 5), (G, 2, 6, 7), (A, 1, 8, 8)]),
        (0, [(C, 2, 1, 2), (S, 3, 3, 5), (G, 2, 6, 7), (A, 2, 8, 9)]),
    ],
)
def test_clips_go_first_then_summaries_the_gateways_points_and_alerts_last(rows, space, left, gone):
    fill(rows)
    losses = list(space.make_room(left * COST))
    assert losses == [Loss(kind, "evicted", *span) for kind, *span in gone]
    assert space.used == left * COST


def test_a_limit_in_the_middle_of_a_row_takes_the_row(rows, space):
    rows[S].insert(points(S, 1, 2, 3))
    list(space.make_room(2 * COST - 1))
    assert times(rows, S) == [3]


def test_more_than_a_thousand_rows_go_in_several_steps(rows, space):
    rows[S].insert(points(S, *range(2500)))
    losses = list(space.make_room(100 * COST))
    assert [loss.count for loss in losses] == [1000, 1000, 400]
    assert times(rows, S)[0] == 2400


def test_the_alert_of_an_open_alarm_stays_whatever_the_limit(rows):
    space = Space(rows, lambda _: 0, Handling())
    stored = rows[A].insert(
        [alert("open", 1, True), alert("over", 2, True), alert("over", 3, False)]
    )
    space.alarms.note(stored)
    losses = list(space.make_room(0))
    assert [(loss.kind, loss.count) for loss in losses] == [(A, 2)]
    assert times(rows, A) == [1]


def test_open_alarms_are_known_from_the_rows_at_a_start(rows):
    rows[A].insert([alert("one", 1, True), alert("two", 2, True), alert("one", 3, False)])
    assert OpenAlarms(rows[A], Handling()).numbers() == {2}
    assert Space(rows, lambda _: 0, Handling()).alarms.numbers() == {2}


def test_without_handling_no_alert_is_known_to_be_that_of_an_open_alarm(rows, space):
    space.alarms.note(rows[A].insert([alert("one", 1, True)]))
    assert space.alarms.numbers() == frozenset()


def test_of_an_alarm_that_is_stored_twice_the_first_row_stays(rows):
    alarms = OpenAlarms(rows[A], Handling())
    alarms.note(rows[A].insert([alert("one", 1, True), alert("one", 2, True)]))
    assert alarms.numbers() == {1}
    alarms.note(rows[A].insert([alert("one", 3, False), alert("never", 4, False)]))
    assert alarms.numbers() == frozenset()


def test_an_alert_that_cannot_be_read_keeps_no_row_and_stops_nothing(rows):
    alarms = OpenAlarms(rows[A], Handling())
    alarms.note(rows[A].insert([*points(A, 1), alert("one", 2, True)]))
    assert alarms.numbers() == {2}


def test_age_takes_everything_but_alerts(rows, space):
    for kind in Kind:
        rows[kind].insert(points(kind, 10, 20, 30))
    losses = list(space.expire(20))
    assert losses == [Loss(kind, "expired", 1, 10, 10) for kind in (S, G, C)]
    assert [times(rows, kind) for kind in Kind] == [[10, 20, 30]] + [[20, 30]] * 3
    assert list(space.expire(20)) == []


def merging(rows, leased=0):
    return Space(rows, {S: leased}.__getitem__, Handling())


def test_the_oldest_interval_is_merged_in_place_of_its_parts(rows):
    space = merging(rows)
    rows[S].insert(points(S, 2, 4, 100, 102, 200))
    assert space.merge() is True
    assert space._handling.merges == [[2, 4, 100]], "an interval ends with its last time"
    assert times(rows, S) == [100, 102, 200]
    assert (space.merged, rows[S].count, rows[S].bytes) == (2, 3, 3 * COST)
    assert space.merge() is True
    assert space._handling.merges[1:] == [[102, 200]]
    assert (space.merged, times(rows, S)) == (3, [100, 200])
    assert space.merge() is False
    assert space.merged == 3


def test_an_interval_with_nothing_to_merge_is_passed_over(rows):
    space = merging(rows)
    rows[S].insert(points(S, 1, 3, 102, 104))
    assert space.merge() is True
    assert times(rows, S) == [1, 3, 104]
    assert space._handling.merges == [[1, 3], [102, 104]]


def test_what_a_sink_may_have_got_is_not_merged(rows):
    space = merging(rows, leased=2)
    rows[S].insert(points(S, 2, 4, 6, 8))
    assert space.merge() is True
    assert times(rows, S) == [2, 4, 8]


def test_without_summaries_or_handling_nothing_is_merged(rows, space):
    assert merging(rows).merge() is False
    rows[S].insert(points(S, 2, 4))
    assert space.merge() is False
    assert times(rows, S) == [2, 4]


def test_damaged_summaries_are_not_merged(rows, db):
    space = merging(rows)
    rows[S].insert(points(S, 2, 4, 6))
    db.execute("UPDATE summary SET body = x'00' WHERE seq = 2")
    assert space.merge() is True
    assert space._handling.merges == [[2, 6]]


def test_a_long_interval_is_merged_in_parts(rows, monkeypatch):
    assert module.MERGED_AT_ONCE == 20_000
    monkeypatch.setattr(module, "MERGED_AT_ONCE", 3)
    space = merging(rows)
    rows[S].insert(points(S, 2, 4, 6, 8, 10))
    while space.merge():
        pass
    assert space._handling.merges == [[2, 4, 6], [8, 10]]


def test_short_of_room_summaries_are_merged_before_any_goes(rows):
    space = merging(rows)
    rows[S].insert(points(S, *range(2, 42, 2)))
    assert list(space.make_room(5 * COST)) == []
    assert times(rows, S) == [40]


def test_no_more_is_merged_than_is_needed(rows):
    space = merging(rows)
    rows[S].insert(points(S, 2, 4, 102, 104))
    assert list(space.make_room(3 * COST)) == []
    assert times(rows, S) == [4, 102, 104]
    assert list(space.make_room(3 * COST)) == []
    assert len(space._handling.merges) == 1


def test_a_summary_with_the_number_of_an_open_alarms_alert_is_evicted(rows):
    space = Space(rows, lambda _: 0, Handling())
    space.alarms.note(rows[A].insert([alert("open", 1, True)]))
    rows[S].insert(points(S, 5))
    assert [loss.kind for loss in space.make_room(COST)] == [S]


def test_one_byte_too_many_is_too_many(rows, space):
    rows[S].insert(points(S, 1, 2))
    assert [loss.count for loss in space.make_room(2 * COST - 1)] == [1]
