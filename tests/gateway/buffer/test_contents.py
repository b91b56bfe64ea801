"""Transactions: all or nothing, in memory too, and what the marks say before and after."""

import sqlite3

import pytest

from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer.ballast import Ballast
from gateway.buffer.contents import Contents
from gateway.buffer.losses import Lost
from gateway.buffer.repair.high_water import HighWaterMarks, Mark

pytestmark = pytest.mark.usefixtures("small_ballast")
A, S, G, C = Kind
SINKS = {"cloud": frozenset({A, S}), "panel": frozenset({A})}


class Marks(HighWaterMarks):
    """Marks that note each write."""

    def __init__(self, path):
        super().__init__(path)
        self.writes = []

    def write(self, marks, *, durable):
        self.writes.append((dict(marks), durable))
        super().write(marks, durable=durable)


@pytest.fixture
def open_contents(tmp_path):
    """Opens the file at the same place, as often as it is called."""
    path, opened = tmp_path / "buffer.db", []

    def again(**more):
        if opened:
            opened.pop().db.close()
        marks, lost = Marks(path.with_name("marks")), Lost()
        ballast = Ballast(path.with_name("ballast"))
        contents = Contents(
            path,
            SINKS,
            lambda: 1_000,
            ballast=ballast,
            marks=marks,
            lost=lost,
            **{"handling": None, **more},
        )
        contents.marks, contents.lost = marks, lost
        opened.append(contents)
        return contents

    yield again
    for contents in opened:
        contents.db.close()


@pytest.fixture
def contents(open_contents):
    return open_contents()


def points(kind, count, at=10):
    return [Envelope(kind, at + n, b"body") for n in range(count)]


def insert(contents, kind, count):
    with contents.transaction():
        contents.rows[kind].insert(points(kind, count))


def fail(contents, work):
    """A transaction whose block raises when it has done its work."""

    def block():
        with contents.transaction() as lost:
            work(lost)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()


def test_what_a_transaction_stored_is_there_when_the_file_is_opened_again(open_contents):
    insert(open_contents(), A, 3)
    again = open_contents()
    assert (again.rows[A].count, again.rows[A].next, again.rows[A].bytes) == (3, 4, 3 * 44)
    assert again.oldest_at() == 10
    assert again.set_aside is None
    assert not again.lost.noted


def test_a_transaction_that_fails_changes_nothing_in_the_file_or_in_memory(contents):
    insert(contents, A, 2)

    def work(lost):
        contents.rows[A].insert(points(A, 3))
        contents.cursors.ack("cloud", contents.rows[A], {1})
        contents.save_checkpoints({"pump": b"state"})
        lost.append(Loss(A, "evicted", 1, 1, 1))

    fail(contents, work)
    assert not contents.db.in_transaction
    assert (contents.rows[A].count, contents.rows[A].next) == (2, 3)
    assert contents.cursors.cursor("cloud", A) == 0
    assert contents.load_checkpoint("pump") is None
    assert (contents.losses.newest(9), contents.lost.counted.total()) == ([], 0)
    assert contents.marks.current[A] == Mark(1, 3, 2, 11, 0)


def test_a_transaction_that_sqlite_itself_ended_leaves_its_error(contents):
    fail(contents, lambda _: contents.db.execute("ROLLBACK"))


def test_after_a_rollback_space_and_alarms_are_counted_again(contents):
    before = contents.space
    contents.leased[S] = 7
    fail(contents, lambda _: contents.rows[A].insert(points(A, 3)))
    assert contents.space is not before
    assert contents.space.used == 0
    assert contents.space._leased(S) == 7
    assert contents.marks.writes[-1][0][S].leased == 7
    assert contents.marks.writes[-1][1] is False, "a rollback waits for no disk"


def test_a_loss_is_journalled_with_its_transaction_and_counted_after_it(contents):
    with contents.transaction() as lost:
        lost.append(Loss(S, "evicted", 3, 1, 2))
        assert contents.lost.counted.total() == 0
    assert contents.losses.newest(9) == [Loss(S, "evicted", 3, 1, 2)]
    assert contents.lost.counted == {(S, "evicted"): 3}


def test_losses_that_were_noted_go_with_the_next_transaction(contents):
    contents.lost.noted.append(Loss(C, "per_hour", 5, 1, 2))
    insert(contents, A, 1)
    assert contents.lost.noted == []
    assert contents.losses.newest(9) == [Loss(C, "per_hour", 5, 1, 2)]
    insert(contents, A, 1)
    assert contents.lost.counted == {(C, "per_hour"): 5}


def test_of_a_failed_transaction_only_the_noted_losses_are_kept_and_those_since(contents):
    contents.lost.noted.append(Loss(C, "per_hour", 5, 1, 2))

    def work(lost):
        lost.append(Loss(S, "evicted", 3, 1, 2))
        contents.lost.noted.append(Loss(A, "no_room", 1, 1, 2))

    fail(contents, work)
    assert contents.lost.noted == [Loss(C, "per_hour", 5, 1, 2), Loss(A, "no_room", 1, 1, 2)]


def test_what_an_append_stored_is_marked_durably_after_its_commit(contents):
    contents.marks.writes.clear()
    insert(contents, A, 2)
    (before, early), (after, late) = contents.marks.writes
    assert (before[A].next, early) == (1, False), "nothing is claimed before it is committed"
    assert (after[A], late) == (Mark(1, 3, 2, 11, 0), True)
    assert after[S] == Mark()


def test_a_transaction_that_inserts_nothing_waits_for_no_disk(contents):
    insert(contents, A, 2)
    contents.marks.writes.clear()
    with contents.transaction():
        contents.cursors.ack("cloud", contents.rows[A], {1})
        contents.cursors.ack("panel", contents.rows[A], {1})
        contents.forget(contents.rows[A])
    assert [
        (state[A].first, state[A].count, durable) for state, durable in contents.marks.writes
    ] == [
        (2, 1, False),
        (2, 1, False),
    ]


def test_rows_that_every_sink_is_done_with_are_forgotten(contents):
    insert(contents, A, 3)
    with contents.transaction():
        contents.cursors.ack("cloud", contents.rows[A], {1, 2, 3})
        contents.forget(contents.rows[A])
    assert contents.rows[A].count == 3
    with contents.transaction():
        contents.cursors.ack("panel", contents.rows[A], {1, 3})
        contents.forget(contents.rows[A])
    assert (contents.rows[A].count, contents.rows[A].first()) == (2, 2)


def test_a_gap_that_is_gone_is_waited_for_no_longer(contents):
    insert(contents, S, 3)
    with contents.transaction():
        contents.cursors.ack("cloud", contents.rows[S], {2, 3})
    with contents.transaction():
        contents.rows[S].remove([1])
        contents.forget(contents.rows[S])
    assert contents.rows[S].count == 0


def test_the_oldest_point_is_that_of_any_class(contents):
    assert contents.oldest_at() is None
    with contents.transaction():
        contents.rows[S].insert(points(S, 2, at=50))
        contents.rows[G].insert(points(G, 2, at=40))
    assert contents.oldest_at() == 40


def test_a_state_is_stored_in_place_of_the_one_before(contents):
    with contents.transaction():
        contents.save_checkpoints({"pump": b"one", "fan": b"two"})
    with contents.transaction():
        contents.save_checkpoints({"pump": b"three"})
    assert (contents.load_checkpoint("pump"), contents.load_checkpoint("fan")) == (b"three", b"two")
    assert contents.load_checkpoint("pumpe") is None


@pytest.mark.parametrize("damage", ["state = x'00'", "crc = 1", "name = 'pump'"])
def test_a_damaged_state_is_none(contents, damage):
    with contents.transaction():
        contents.save_checkpoints({"fan": b"one"})
    contents.db.execute(f"UPDATE checkpoint SET {damage}")
    assert contents.load_checkpoint("pump" if "name" in damage else "fan") is None


def vanish(contents, path, kind, count):
    """Store points, and give back the file as it was before: a tail that vanished."""
    contents.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    kept = path.read_bytes()
    insert(contents, kind, count)
    contents.db.close()
    path.write_bytes(kept)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)


def test_what_vanished_is_a_loss_and_its_numbers_are_not_used_again(open_contents, tmp_path):
    first = open_contents()
    insert(first, A, 2)
    vanish(first, tmp_path / "buffer.db", A, 3)
    again = open_contents()
    assert again.lost.noted == [Loss(A, "lost_tail", 3, 11, 12)]
    assert (again.rows[A].count, again.rows[A].next) == (2, 6)


def test_a_number_that_a_sink_is_done_with_is_not_used_again(open_contents, tmp_path):
    first = open_contents()
    insert(first, A, 4)
    with first.transaction():
        first.cursors.ack("cloud", first.rows[A], {1, 2, 3, 4})
    first.db.execute("DELETE FROM alert")
    first.db.execute("DELETE FROM sqlite_sequence")
    first.db.close()
    (tmp_path / "marks").unlink()
    again = open_contents()
    assert again.rows[A].next == 5


def test_a_file_that_is_known_to_be_damaged_is_replaced_and_what_is_sound_goes_on(open_contents):
    insert(open_contents(), A, 2)
    again = open_contents(is_damaged=True)
    assert again.set_aside.name.startswith("buffer.db.corrupt-")
    assert (again.rows[A].count, again.lost.noted) == (2, [])


def test_of_a_damaged_file_what_is_gone_is_a_loss_by_damage(open_contents, tmp_path):
    first = open_contents()
    insert(first, A, 2)
    vanish(first, tmp_path / "buffer.db", A, 3)
    again = open_contents(is_damaged=True)
    assert again.lost.noted == [Loss(A, "damaged", 3, 11, 12)]


def test_what_was_leased_is_known_again(open_contents):
    first = open_contents()
    insert(first, S, 3)
    assert first.leased == {A: 0, S: 0, G: 0, C: 0}
    first.leased[S] = 2
    first.mark(durable=True)
    assert first.marks.writes[-1][1] is True
    assert open_contents().leased[S] == 2


def test_a_transaction_that_cannot_begin_keeps_the_losses_that_were_noted(contents):
    with contents.transaction():
        contents.lost.noted.append(Loss(C, "per_hour", 5, 1, 2))
        with (
            pytest.raises(sqlite3.OperationalError, match="within a transaction"),
            contents.transaction(),
        ):
            pytest.fail("it must not begin")
    assert contents.lost.noted == [Loss(C, "per_hour", 5, 1, 2)]
