"""The transitions of the journal as the figures need them. Pure.

Promises
- A verdict counts once for each alarm, the last one that a person gave.
- An alarm that was raised before the first entry is known by its later transitions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.core.alarms.journal import EntryKind, JournalEntry
from gateway.core.alarms.memory import HIDDEN
from gateway.core.alarms.performance import Entry

NEEDED = (
    "id", "detector", "alarm", "at", "opened_at", "transition", "state", "severity", "verdict",
)  # fmt: skip
"""Facts of an alert from which the figures follow."""


def needed(entry: JournalEntry) -> JournalEntry:
    """The entry with no more than the figures need: of a year there may be 100,000."""
    facts = {name: entry.facts[name] for name in NEEDED if name in entry.facts}
    return replace(entry, message="", facts=facts)


def transitions(
    entries: Iterable[JournalEntry], active: Sequence[Mapping[str, Any]] = ()
) -> list[Entry]:
    """The transitions of alarms among journal entries, which come with the oldest first.

    `active` are the facts of alarms that are active now, with entries or without.
    """
    facts = [e.facts for e in entries if e.kind is EntryKind.ALARM]
    known: set[str] = set()
    before: list[Entry] = []
    for each in [*facts, *active]:
        if each["id"] not in known:
            known.add(each["id"])
            if each["transition"] != "raised" and each["opened_at"]:
                before.append(_entry({**each, "transition": "raised"}, each["opened_at"]))
    rows = sorted([*before, *(_entry(each, each["at"]) for each in facts)], key=lambda e: e.at)
    return _with_last_verdicts(rows)


def _entry(facts: Mapping[str, Any], at: int) -> Entry:
    return Entry(
        at=int(at),
        id=str(facts["id"]),
        alarm=f"{facts['detector']}.{facts['alarm']}",
        transition=str(facts["transition"]),
        severity=str(facts["severity"]),
        is_hidden=facts["state"] in HIDDEN,
        verdict=str(facts.get("verdict", "")),
    )


def _with_last_verdicts(rows: list[Entry]) -> list[Entry]:
    last = {entry.id: number for number, entry in enumerate(rows) if entry.verdict}
    return [
        entry if last.get(entry.id) == number or not entry.verdict else replace(entry, verdict="")
        for number, entry in enumerate(rows)
    ]
