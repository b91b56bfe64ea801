"""Entries that are missing from the journal are counted, said, and noted in it."""

from gateway.buffer.given_up import RECENT
from gateway.buffer.missing_entries import AGAIN, MissingEntries

NOW = 10 * AGAIN


def test_nothing_missing_is_nothing_to_say():
    missing = MissingEntries()
    assert not missing.add("corrupt", 0, NOW)
    assert (missing.due(NOW), missing.sentences(NOW), missing.counted.total()) == ({}, [], 0)


def test_the_first_is_news_and_more_of_them_are_only_counted():
    missing = MissingEntries()
    assert missing.add("max_bytes", 1, NOW)
    assert not missing.add("max_bytes", 2, NOW + 1)
    assert missing.add("disk_full", 1, NOW + 1)
    assert missing.add("max_bytes", 1, NOW + 1 + RECENT)
    assert missing.counted == {"max_bytes": 4, "disk_full": 1}


def test_a_note_says_how_many_at_once_and_then_once_an_hour():
    missing = MissingEntries()
    missing.add("corrupt", 2, NOW)
    notes = missing.due(NOW)
    assert notes["corrupt"].message == "2 entries are missing: damaged on disk"
    assert notes["corrupt"].facts == {"lost": 2, "why": "corrupt"}
    missing.add("corrupt", 1, NOW)
    missing.said(notes, NOW)
    assert missing.due(NOW + AGAIN - 1) == {}
    (later,) = missing.due(NOW + AGAIN).values()
    assert later.message == "1 entry is missing: damaged on disk"


def test_a_note_that_was_not_stored_is_due_again():
    missing = MissingEntries()
    missing.add("corrupt", 2, NOW)
    assert missing.due(NOW) == missing.due(NOW)


def test_the_status_says_it_for_a_while():
    missing = MissingEntries()
    missing.add("max_bytes", 1_200, NOW)
    words = "no room: journal.max_bytes was reached before journal.keep"
    assert missing.sentences(NOW) == [f"journal: 1,200 entries are missing ({words})"]
    assert missing.sentences(NOW + RECENT) == []
