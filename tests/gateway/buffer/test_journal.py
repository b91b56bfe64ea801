"""The table of the alarm journal: its numbers, its bytes, and what is deleted."""

import pytest

from gateway.buffer.journal import INDEX_BYTES, JournalLimits, JournalTable, cost
from gateway.buffer.journal_query import JournalQuery, query
from gateway.buffer.rows import ALL, ROW_BYTES
from gateway.core.alarms.journal import note

DAY = 86_400 * 10**9


@pytest.fixture
def journal(db):
    return JournalTable(db)


def entries(*times):
    return [note(at, f"entry {at}") for at in times]


def times(db, **asked):
    return [entry.at for entry in query(db, JournalQuery(100, **asked)).entries()]


def test_entries_are_kept_for_400_days_or_256_mebibytes():
    assert JournalLimits() == JournalLimits(400 * DAY, 256 * 2**20)


def test_entries_get_consecutive_numbers_and_the_time_of_their_storing(journal, db):
    journal.insert(entries(5, 6), 99)
    journal.insert(entries(7), 100)
    found = query(db, JournalQuery(10)).entries()
    assert [(e.seq, e.at, e.recorded_at) for e in found] == [(3, 7, 100), (2, 6, 99), (1, 5, 99)]
    assert (journal.next, journal.count, journal.newest_at()) == (4, 3, 7)


def test_what_is_counted_along_the_way_is_what_the_file_holds(journal, db):
    journal.insert(entries(1, 2, 3, 4), 10)
    journal.delete_oldest(1)
    journal.make_room(journal.bytes - 1)
    journal.remove([4])
    again = JournalTable(db)
    again.measure()
    assert (again.next, again.count, again.bytes) == (journal.next, journal.count, journal.bytes)
    assert (again.next, again.count) == (5, 1)
    assert cost(3, 4) == 7 + ROW_BYTES + INDEX_BYTES


def test_a_number_that_no_row_has_any_more_is_not_given_again(journal, db):
    journal.insert(entries(1, 2), 10)
    journal.next = 9
    journal.save_numbers()
    again = JournalTable(db)
    again.measure()
    assert again.next == 9
    journal.save_numbers()
    assert db.execute("SELECT COUNT(*) FROM sqlite_sequence WHERE name = 'journal'").fetchone() == (
        1,
    )


def test_entries_expire_by_the_time_at_which_they_were_stored(journal, db):
    journal.insert(entries(500), 10)
    journal.insert(entries(1, 2), 20)
    assert journal.oldest_recorded_at() == 10
    assert journal.expire(20) == 1
    assert times(db) == [2, 1]
    assert journal.expire(20) == 0
    assert journal.oldest_recorded_at() == 20


def test_only_the_oldest_expire_though_the_clock_went_back(journal, db):
    journal.insert(entries(1), 10)
    journal.insert(entries(2), 50)
    journal.insert(entries(3), 10)
    assert journal.expire(20) == 1
    assert times(db) == [3, 2]


def test_so_many_of_the_oldest_go_that_the_limit_is_kept(journal, db):
    journal.insert(entries(1, 2, 3, 4), 10)
    each = journal.bytes // 4
    assert journal.make_room(journal.bytes) == 0
    assert journal.make_room(3 * each - 1) == 2
    assert times(db) == [4, 3]
    assert journal.bytes == 2 * each
    assert journal.make_room(0) == 2
    assert (journal.count, journal.bytes, journal.first()) == (0, 0, 5)


def test_of_an_empty_journal_nothing_goes(journal):
    assert (journal.delete_oldest(5), journal.delete_oldest(0), journal.expire(ALL)) == (0, 0, 0)
    assert journal.newest_at() is None
    assert journal.facts() == {"entries": 0, "bytes": 0, "oldest_at": None}


def test_no_more_than_a_thousand_expire_at_a_time(journal):
    journal.insert(entries(*range(1, 1_501)), 10)
    assert (journal.expire(20), journal.expire(20), journal.expire(20)) == (1_000, 500, 0)
