"""How far each sink is, what survives a restart of that, and what is sent again."""

import pytest

from gateway.api.model import Envelope, Kind
from gateway.buffer.cursors import Cursors
from gateway.buffer.dead_letters import DeadLetters
from gateway.buffer.rows import PointTable

A, S, G, C = Kind
SINKS = {"cloud": frozenset({A, S}), "panel": frozenset({A})}


@pytest.fixture
def alerts(db):
    rows = PointTable(db, A)
    rows.insert([Envelope(A, n, b"x") for n in range(1, 7)])
    return rows


@pytest.fixture
def cursors(db):
    return Cursors(db, SINKS)


def state(cursors, sink="cloud", kind=A):
    return cursors.cursor(sink, kind), set(cursors.done(sink, kind))


def test_a_new_sink_starts_before_everything(cursors):
    assert state(cursors) == (0, set())
    assert (cursors.slowest(A), cursors.furthest(A)) == (0, 0)
    assert (cursors.slowest(C), cursors.furthest(C)) == (0, 0), "a class that no sink accepts"


def test_a_cursor_moves_over_what_is_done_without_a_gap(cursors, alerts):
    cursors.ack("cloud", alerts, {1, 2, 4})
    assert state(cursors) == (2, {4})
    cursors.ack("cloud", alerts, {3})
    assert state(cursors) == (4, set())
    assert state(cursors, "panel") == (0, set())


def test_the_slowest_and_the_furthest_are_of_one_class(cursors, alerts, db):
    summaries = PointTable(db, S)
    summaries.insert([Envelope(S, n, b"x") for n in range(9)])
    cursors.ack("cloud", summaries, set(range(1, 9)))
    cursors.ack("cloud", alerts, {1, 2, 3})
    cursors.ack("panel", alerts, {1})
    assert (cursors.slowest(A), cursors.furthest(A)) == (1, 3)
    assert (cursors.slowest(S), cursors.furthest(S)) == (8, 8)


def test_a_cursor_is_there_after_a_restart(cursors, alerts, db):
    cursors.ack("cloud", alerts, {1, 2, 4})
    again = Cursors(db, SINKS)
    assert state(again) == (2, set()), "what was done out of order is sent once more"
    assert state(again, "panel") == (0, set())


def test_a_rejected_row_is_done_after_a_restart_too(cursors, alerts, db):
    letters = DeadLetters(db)
    letters.add("cloud", [Envelope(A, 3, b"x", key=3)], "no", 9)
    letters.add("cloud", [Envelope(S, 3, b"x", key=5)], "of another class", 9)
    letters.add("panel", [Envelope(A, 3, b"x", key=6)], "of another sink", 9)
    cursors.ack("cloud", alerts, {1, 3})
    again = Cursors(db, SINKS)
    assert state(again) == (1, {3})
    again.ack("cloud", alerts, {2, 3})
    assert state(Cursors(db, SINKS)) == (3, set()), "behind the cursor it is of no interest"


@pytest.mark.parametrize("damage", ["seq = 5", "crc = 5", "seq = 'x'"])
def test_with_a_damaged_cursor_everything_is_sent_again(cursors, alerts, db, damage):
    cursors.ack("cloud", alerts, {1, 2})
    db.execute(f"UPDATE cursor SET {damage} WHERE sink = 'cloud'")
    assert state(Cursors(db, SINKS)) == (0, set())


def test_a_cursor_of_one_sink_and_class_is_not_that_of_another(cursors, alerts, db):
    cursors.ack("cloud", alerts, {1, 2})
    db.execute("UPDATE cursor SET sink = 'panel'")
    assert state(Cursors(db, SINKS), "panel") == (0, set())
    db.execute("UPDATE cursor SET sink = 'cloud', kind = 1")
    assert state(Cursors(db, SINKS), kind=S) == (0, set())


def test_rows_that_have_gone_leave_no_gap_to_wait_for(cursors, alerts):
    cursors.ack("cloud", alerts, {3, 4})
    cursors.ack("panel", alerts, {5})
    alerts.remove([1, 2])
    cursors.close_gaps(alerts)
    assert state(cursors) == (4, set())
    assert state(cursors, "panel") == (0, {5}), "row 3 is still to come"


def test_gaps_of_other_classes_are_left(cursors, alerts, db):
    cursors.ack("cloud", alerts, {3})
    alerts.remove([1, 2])
    cursors.close_gaps(PointTable(db, S))
    assert state(cursors) == (0, {3})


def test_after_a_rollback_the_file_says_where_they_are(cursors, alerts, db):
    cursors.ack("cloud", alerts, {1})
    db.execute("COMMIT")
    db.execute("BEGIN")
    cursors.ack("cloud", alerts, {2, 4})
    db.execute("ROLLBACK")
    cursors.load()
    assert state(cursors) == (1, set())
    db.execute("BEGIN")
