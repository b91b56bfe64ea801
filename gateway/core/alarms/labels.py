"""Verdicts and maintenance as labelled intervals, from the entries of the journal. Pure.

Promises
- An alarm without a verdict is no label. Of several verdicts the newest counts.
- An interval begins with the condition, before the on-delay, and ends when it has returned; one
  that has no end yet is open.
- What is written is what `andon train --labels` and `andon backtest --labels` read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.api.model import Nanos
from gateway.core.alarms.journal import JournalEntry

MAINTENANCE = "maintenance"
"""The verdict of an interval in which the line was in maintenance."""
COLUMNS = ("start", "end", "detector", "alarm", "verdict", "tags", "by", "comment", "id")
"""The columns of a file of labels. Times are ISO 8601 in UTC; tags are separated by spaces."""


NEEDED = ("verdict", "opened_at", "began_at", "active", "detector", "alarm", "top_tags")
"""Facts of an alert from which its label follows."""


@dataclass(frozen=True, slots=True)
class Label:
    """One interval, and what it was. `end` is None while it lasts."""

    start: Nanos
    end: Nanos | None
    verdict: str
    detector: str = ""
    alarm: str = ""
    tags: tuple[str, ...] = ()
    by: str = ""
    comment: str = ""
    id: str = ""


def needed(entry: JournalEntry) -> JournalEntry:
    """The entry with no more than its label needs."""
    facts = {name: entry.facts[name] for name in NEEDED if name in entry.facts}
    return replace(entry, message="", facts=facts)


def labels(entries: Iterable[Mapping[str, Any]]) -> list[Label]:
    """The labels of all entries, as JSON, in the order in which they were stored."""
    alarms: dict[str, list[Mapping[str, Any]]] = {}
    maintenance = list[Mapping[str, Any]]()
    for entry in entries:
        if entry["kind"] == "alarm":
            alarms.setdefault(str(entry["id"]), []).append(entry)
        elif entry["kind"] == MAINTENANCE:
            maintenance.append(entry)
    judged = (label for each in alarms.values() if (label := _of_alarm(each)) is not None)
    return sorted([*judged, *_of_maintenance(maintenance)], key=lambda label: label.start)


def _of_alarm(entries: list[Mapping[str, Any]]) -> Label | None:
    said = [e for e in entries if e["transition"] == "commented" and e["facts"]["verdict"]]
    if not said:
        return None
    newest = said[-1]
    facts = newest["facts"]
    opened = int(facts["opened_at"])
    ends = [int(e["at"]) for e in entries if not e["facts"]["active"] and int(e["at"]) > opened]
    return Label(
        start=int(facts["began_at"]) or opened,
        end=min(ends, default=None),
        verdict=str(facts["verdict"]),
        detector=str(facts["detector"]),
        alarm=str(facts["alarm"]),
        tags=tuple(str(top["tag"]) for top in facts["top_tags"]),
        by=str(newest["by"]),
        comment=str(newest["reason"]),
        id=str(newest["id"]),
    )


def _of_maintenance(entries: Iterable[Mapping[str, Any]]) -> Iterator[Label]:
    begun: Mapping[str, Any] | None = None
    for entry in entries:
        if entry["transition"] == "began":
            begun = entry
        elif entry["transition"] == "ended" and begun is not None:
            yield _stretch(begun, int(entry["at"]))
            begun = None
    if begun is not None:
        yield _stretch(begun, None)


def _stretch(begun: Mapping[str, Any], end: Nanos | None) -> Label:
    by, why = str(begun["by"]), str(begun["reason"])
    return Label(int(begun["at"]), end, MAINTENANCE, by=by, comment=why)
