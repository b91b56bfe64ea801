"""Entries of the alarm journal: what is stored of them, and what is read back."""

import json

import pytest

from gateway.core.alarms.journal import (
    EntryKind,
    JournalEntry,
    decoded,
    from_json,
    note,
    of_alert,
)

FACTS = {
    "id": "guard.flow.high-1", "detector": "guard", "alarm": "flow.high", "at": 7,
    "transition": "acknowledged", "state": "acknowledged", "severity": "high", "by": "anna",
    "reason": "seen", "message": "Flow high: acknowledged by anna", "value": 5.0, "verdict": "",
}  # fmt: skip


def read_back(entry):
    return decoded(3, entry.at, 99, entry.id, entry.body())


def test_the_entry_of_an_alert_holds_its_facts_once_and_says_what_they_say():
    entry = of_alert(FACTS)
    assert json.loads(entry.body()) == {"kind": "alarm", "facts": FACTS}
    assert read_back(entry).as_json() == {
        "seq": 3, "at": 7, "recorded_at": 99, "kind": "alarm", "id": "guard.flow.high-1",
        "transition": "acknowledged", "state": "acknowledged", "severity": "high", "by": "anna",
        "reason": "seen", "message": "Flow high: acknowledged by anna", "facts": FACTS,
    }  # fmt: skip


def test_another_entry_is_read_back_as_it_was():
    entry = JournalEntry(
        5, EntryKind.MAINTENANCE, "Maintenance for 2 h", transition="begun", by="bob",
        reason="cleaning", facts={"until": 9},
    )  # fmt: skip
    again = read_back(entry)
    assert again.as_json() == entry.as_json() | {"seq": 3, "recorded_at": 99}
    assert from_json(json.loads(json.dumps(again.as_json()))) == again


def test_a_note_has_the_facts_it_is_given():
    assert note(5, "two are missing", lost=2).facts == {"lost": 2}


def test_what_a_later_version_adds_is_left_out():
    body = b'{"kind": "audit", "message": "hello", "colour": "red"}'
    entry = decoded(1, 2, 3, "", body)
    assert (entry.kind, entry.message) == (EntryKind.NOTE, "hello")


@pytest.mark.parametrize(
    "wrong",
    [{}, {"kind": "other"}, {"facts": []}, {"seq": None}, {"at": "soon"}, {"recorded_at": []}],
)
def test_what_is_no_entry_is_refused(wrong):
    given = note(5, "hello").as_json() | wrong
    if not wrong:
        del given["facts"]
    with pytest.raises((LookupError, TypeError, ValueError)):
        from_json(given)
