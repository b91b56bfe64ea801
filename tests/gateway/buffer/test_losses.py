"""The record of losses: one entry of a class and reason until it is reported."""

import pytest

from gateway.api.model import Kind, Loss
from gateway.buffer import losses
from gateway.buffer.given_up import IN_DEAD_LETTERS, INTENDED, GivenUp
from gateway.buffer.losses import LossTable, Lost

A, S, G, C = Kind


@pytest.fixture
def table(db):
    return LossTable(db)


def test_losses_of_one_class_and_reason_are_one_entry_until_they_are_reported(table):
    table.note([Loss(S, "evicted", 3, 10, 20), Loss(S, "evicted", 2, 5, 15)], 99)
    table.note([Loss(S, "evicted", 1, 12, 30)], 100)
    assert table.unreported() == [Loss(S, "evicted", 6, 5, 30)]


def test_another_class_or_reason_is_another_entry(table):
    given = [Loss(S, "evicted", 1, 1, 1), Loss(A, "evicted", 2, 2, 2), Loss(S, "expired", 3, 3, 3)]
    table.note(given, 99)
    assert table.unreported() == given


def test_what_was_reported_is_not_reported_again_and_begins_a_new_entry(table):
    table.note([Loss(S, "evicted", 3, 10, 20)], 99)
    table.mark_reported([100])
    assert table.unreported() == []
    table.note([Loss(S, "evicted", 4, 30, 40)], 99)
    assert table.unreported() == [Loss(S, "evicted", 4, 30, 40)]
    assert table.newest(9) == [Loss(S, "evicted", 4, 30, 40), Loss(S, "evicted", 3, 10, 20)]
    assert table.newest(1) == [Loss(S, "evicted", 4, 30, 40)]


def test_an_entry_says_when_it_was_noted_first(table, db):
    table.note([Loss(S, "evicted", 3, 10, 20)], 99)
    table.note([Loss(S, "evicted", 3, 10, 20)], 100)
    assert db.execute("SELECT noted_at, told FROM loss").fetchall() == [(99, 0)]


def test_only_the_last_thousand_entries_are_kept(table, monkeypatch):
    assert losses.KEPT == 1_000
    monkeypatch.setattr(losses, "KEPT", 3)
    for n in range(5):
        table.note([Loss(S, "evicted", n, n, n)], n)
        table.mark_reported([n])
    assert [loss.count for loss in table.newest(99)] == [4, 3, 2]


@pytest.mark.parametrize("damage", ["kind = 77", "count = 'x'", "since = x'00'", "reason = 5"])
def test_a_damaged_entry_does_not_end_the_telling(table, db, damage):
    table.note([Loss(S, "evicted", 3, 10, 20), Loss(A, "expired", 1, 1, 1)], 99)
    db.execute(f"UPDATE loss SET {damage} WHERE kind = {int(S)}")
    assert table.unreported()[-1] == Loss(A, "expired", 1, 1, 1)


def test_a_damaged_class_is_left_out(table, db):
    table.note([Loss(S, "evicted", 3, 10, 20)], 99)
    db.execute("UPDATE loss SET kind = 77")
    assert table.unreported() == []


def test_losses_since_the_start_begin_at_nothing():
    assert (Lost().counted.total(), Lost().noted) == (0, [])


def test_what_nobody_has_taken_note_of_is_summed_up_by_class_and_reason(table):
    table.note([Loss(S, "evicted", 3, 10, 20)], 99)
    table.mark_reported([100])
    table.note([Loss(S, "evicted", 4, 30, 40), Loss(A, "no_room", 1, 1, 1)], 200)
    table.note([Loss(S, reason, 1, 1, 1) for reason in (*INTENDED, *IN_DEAD_LETTERS)], 200)
    assert table.given_up() == [
        GivenUp("", A, 1, 200, 200, "the disk and the memory were full"),
        GivenUp("", S, 7, 100, 200, "no room in the buffer"),
    ]
    assert table.dismiss() == 7
    assert table.given_up() == []
    # The cloud is still told, and what comes later is a new entry.
    assert Loss(A, "no_room", 1, 1, 1) in table.unreported()
    table.note([Loss(A, "no_room", 2, 5, 5)], 300)
    assert table.given_up() == [GivenUp("", A, 2, 300, 300, "the disk and the memory were full")]


def test_a_point_that_is_no_loss_is_taken_from_the_newest_entry_about_it(table):
    table.note([Loss(S, "rejected", 2, 10, 20)], 99)
    table.mark_reported([100])
    table.note([Loss(S, "rejected", 2, 10, 20)], 150)
    assert table.take_back(S, "rejected", [15, 99]) == []
    assert table.newest(1) == [Loss(S, "rejected", 1, 10, 20)]
    assert table.take_back(S, "rejected", [15, 15]) == [(Loss(S, "rejected", 1, 10, 20), 100)]
    # Nothing is left to report of the newer one.
    assert table.unreported() == []
    assert table.take_back(S, "evicted", [15]) == []


@pytest.mark.parametrize(
    "damage", ["count = 'x'", "since = x'00'", "until = 'y'", "noted_at = 'z'"]
)
def test_a_damaged_entry_stops_neither(table, db, damage):
    table.note([Loss(S, "rejected", 3, 10, 20), Loss(S, "evicted", 3, 10, 20)], 99)
    db.execute(f"UPDATE loss SET {damage}")
    table.take_back(S, "rejected", [15])
    table.given_up()
