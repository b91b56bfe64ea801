"""The entries of the alarm journal: what happened to an alarm, maintenance, and notes. Pure.

Promises
- An entry is a JSON object that holds all that is known: it can be read without the line file.
- A body that another version has written is read as far as it is known.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from gateway.api.model import Nanos

_TEXTS = ("id", "transition", "state", "severity", "by", "reason", "message")
"""Fields that are also in the facts of an alert; of such an entry the facts alone are stored."""
_STORED = (*_TEXTS[1:], "facts")


class EntryKind(StrEnum):
    """What an entry is about."""

    ALARM = "alarm"
    """A transition of an alarm, also one that a person brought about."""
    MAINTENANCE = "maintenance"
    """Maintenance of the line begins or ends."""
    NOTE = "note"
    """Something to know when the journal is read: a restart, entries that are missing."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry. `at` is when it happened, in event time; `recorded_at` when it was stored.

    `seq` and `recorded_at` are 0 until it is stored. `facts` of an alarm are the alert's.
    """

    at: Nanos
    kind: EntryKind
    message: str
    id: str = ""
    transition: str = ""
    state: str = ""
    severity: str = ""
    by: str = ""
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    recorded_at: Nanos = 0
    seq: int = 0

    def as_json(self) -> dict[str, Any]:
        """The entry as plain facts."""
        return asdict(self) | {"kind": self.kind.value, "facts": dict(self.facts)}

    def body(self) -> bytes:
        """What is stored of it beside its number, its times and its id."""
        if self.kind is EntryKind.ALARM:
            stored: dict[str, Any] = {"facts": self.facts}
        else:
            stored = {name: value for name in _STORED if (value := getattr(self, name))}
        return json.dumps({"kind": self.kind.value, **stored}, separators=(",", ":")).encode()


def of_alert(facts: Mapping[str, Any]) -> JournalEntry:
    """The entry of an alert, by its facts."""
    return _entry(int(facts["at"]), EntryKind.ALARM, facts, facts)


def note(at: Nanos, message: str, **facts: Any) -> JournalEntry:
    """A note."""
    return JournalEntry(at, EntryKind.NOTE, message, facts=facts)


def decoded(seq: int, at: Nanos, recorded_at: Nanos, alarm: str, body: bytes) -> JournalEntry:
    """A stored entry."""
    stored = json.loads(body)
    kind = stored.get("kind")
    known = EntryKind(kind) if kind in list(EntryKind) else EntryKind.NOTE
    facts = stored.get("facts", {})
    source = facts if known is EntryKind.ALARM else stored
    entry = _entry(at, known, source, facts)
    return replace(entry, id=alarm, recorded_at=recorded_at, seq=seq)


def _entry(
    at: Nanos, kind: EntryKind, source: Mapping[str, Any], facts: Mapping[str, Any]
) -> JournalEntry:
    texts = {name: str(source.get(name, "")) for name in _TEXTS}
    return replace(JournalEntry(at, kind, "", facts=facts), **texts)  # type: ignore[arg-type]


def from_json(given: Mapping[str, Any]) -> JournalEntry:
    """An entry as a daemon gives it. LookupError, TypeError or ValueError if it is none."""
    facts = given["facts"]
    if not isinstance(facts, Mapping):
        raise TypeError("the facts of an entry are not an object")
    entry = _entry(int(given["at"]), EntryKind(given["kind"]), given, facts)
    return replace(entry, recorded_at=int(given["recorded_at"]), seq=int(given["seq"]))
