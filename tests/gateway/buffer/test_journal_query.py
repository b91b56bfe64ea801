"""Reading the alarm journal."""

import pytest

from gateway.buffer.journal import JournalTable
from gateway.buffer.journal_query import JournalQuery, query
from gateway.core.alarms.journal import EntryKind, JournalEntry


@pytest.fixture
def filled(db):
    """Entries 1 to 9 at times 10 to 90, of alarms a, b and c in turn."""
    JournalTable(db).insert(
        [JournalEntry(n * 10, EntryKind.NOTE, f"{n}", id="abc"[n % 3]) for n in range(1, 10)], 99
    )
    return db


def numbers(db, limit=100, **asked):
    page = query(db, JournalQuery(limit, **asked))
    return [entry.seq for entry in page.entries()], page.more


def test_the_newest_entries_come_first(filled):
    assert numbers(filled, 3) == ([9, 8, 7], True)
    assert numbers(filled, 9) == ([9, 8, 7, 6, 5, 4, 3, 2, 1], False)
    assert numbers(filled, 0) == ([], True)


def test_pages_follow_each_other_by_the_number_of_the_last(filled):
    assert numbers(filled, 4, before=6) == ([5, 4, 3, 2], True)
    assert numbers(filled, 4, before=2) == ([1], False)


def test_a_time_span_holds_its_beginning_and_not_its_end(filled):
    assert numbers(filled, since=30, until=60) == ([5, 4, 3], False)
    assert numbers(filled, 2, since=30) == ([9, 8], True)


def test_the_entries_of_one_alarm_are_found_in_any_time(filled):
    assert numbers(filled, alarm="a") == ([9, 6, 3], False)
    assert numbers(filled, 1, alarm="a", since=20, until=70) == ([6], True)
    assert numbers(filled, alarm="nosuch") == ([], False)


@pytest.mark.parametrize(
    "damage",
    ["at = at + 1", "recorded_at = 5", "body = X'7B7D'", "alarm = 'x'", "crc = crc + 1",
     "body = 'text'"],
)  # fmt: skip
def test_a_damaged_row_is_named_and_not_shown(filled, damage):
    filled.execute(f"UPDATE journal SET {damage} WHERE seq = 8")
    page = query(filled, JournalQuery(3))
    assert [entry.seq for entry in page.entries()] == [9, 7]
    assert (page.damaged, page.more) == ([8], True)


@pytest.mark.parametrize(
    ("asked", "index"),
    [({"since": 5}, "journal_at"), ({"alarm": "a"}, "journal_alarm"), ({}, "INTEGER PRIMARY KEY")],
)
def test_no_question_reads_the_whole_table(filled, asked, index):
    plans = []
    filled.set_trace_callback(plans.append)
    query(filled, JournalQuery(5, **asked))
    filled.set_trace_callback(None)
    (statement,) = plans
    steps = [row[3] for row in filled.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert any(index in step for step in steps)
    assert not any(step.startswith("SCAN journal") for step in steps if index == "journal_at")
