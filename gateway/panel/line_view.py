"""The state of a line as a page shows it: data, models, sinks, what waits. Pure.

Promises
- A field that is missing, or of another type, is left out; it does not end the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.durations import spell_roughly
from gateway.api.model import SECOND
from gateway.api.visible import SENTENCE, brief
from gateway.api.wording import counted, number

Facts = Mapping[str, Any]

NORMAL = frozenset(("ok", "idle", "fresh", "up"))
WORDS = {
    "ok": "ok", "idle": "idle", "fresh": "fresh", "up": "up", "late": "late", "stale": "stale",
    "bad": "bad", "never_seen": "never seen", "blind": "blind", "failed": "failed", "down": "away",
    "degraded": "degraded", "starting": "starting",
}  # fmt: skip
_WAITING = {"alerts": "alarm", "summaries": "summary", "gateway": "gateway point", "clips": "clip"}


@dataclass(frozen=True)
class Row:
    """One part of a line: its name, its state, and why."""

    name: str
    state: str
    why: str = ""
    value: str = ""
    more: str = ""

    @property
    def is_normal(self) -> bool:
        return self.state in NORMAL

    @property
    def word(self) -> str:
        """The state for people."""
        return WORDS.get(self.state, self.state)


@dataclass(frozen=True)
class Tile:
    """One figure of the overview: what it is about, its sentence, and whether that is normal."""

    name: str
    says: str
    is_normal: bool
    page: str


def units(status: Facts) -> dict[str, str]:
    """The units of the tags, by their names."""
    return {str(tag.get("tag")): _text(tag, "unit", 20) for tag in _objects(status, "tags")}


def names(status: Facts) -> dict[str, dict[str, str]]:
    """What states and severities are called in the language of the line, as far as it says."""
    known = status.get("names")
    families = known.items() if isinstance(known, dict) else ()
    return {
        family: {key: _text(words, key) for key in words if isinstance(key, str)}
        for family, words in families
        if isinstance(words, dict)
    }


def tags(status: Facts) -> list[Row]:
    """All tags, those that are not fresh first."""
    rows = [
        Row(
            _text(tag, "tag"),
            _text(tag, "state"),
            _text(tag, "reason", SENTENCE),
            _reading(tag),
            _age(tag.get("age_s")),
        )
        for tag in _objects(status, "tags")
    ]
    return sorted(rows, key=lambda row: row.is_normal)


def sources(status: Facts) -> list[Row]:
    """The sources: up or away, and why."""
    return [
        Row(
            _text(source, "name"),
            _up(source),
            _text(source, "error", SENTENCE),
            f"newest sample {_age(source.get('age_s')) or 'never'}",
        )
        for source in _objects(status, "sources")
    ]


def detectors(status: Facts) -> list[Row]:
    """The detectors with their models: whether they can judge, and why not."""
    return [
        Row(
            _text(each, "name"),
            _text(each, "state"),
            _text(each, "reason", SENTENCE),
            _score(each),
            _text(each, "model") or "limits",
        )
        for each in _objects(status, "detectors")
    ]


def sinks(status: Facts) -> list[Row]:
    """The sinks: up or away, and why."""
    return [
        Row(
            _text(sink, "name"),
            _up(sink),
            _text(sink, "error", SENTENCE),
            _ago(sink.get("last_success_at"), status.get("now")),
            "this machine" if sink.get("is_local") else "leaves this machine",
        )
        for sink in _objects(status, "sinks")
    ]


def waiting(status: Facts) -> str:
    """What waits in the buffer, and since when."""
    buffer = status.get("buffer")
    if not isinstance(buffer, dict):
        return "unknown"
    parts = []
    for name, noun in _WAITING.items():
        count = buffer.get(name)
        if isinstance(count, int) and count:
            plural = f"{count:,} summaries" if noun == "summary" and count > 1 else None
            parts.append(plural or counted(count, noun))
    if not parts:
        return "nothing"
    oldest = _ago(buffer.get("oldest_at"), status.get("now"))
    return ", ".join(parts) + (f"; the oldest {oldest}" if oldest else "")


def lost(status: Facts) -> str:
    """How many points the buffer has given up; empty if none."""
    buffer = status.get("buffer")
    dropped = buffer.get("dropped") if isinstance(buffer, dict) else 0
    return f"{counted(dropped, 'point')} given up" if isinstance(dropped, int) and dropped else ""


def tiles(status: Facts) -> list[Tile]:
    """The figures of the overview."""
    if not status:
        return []
    return [
        _tile("Data", tags(status), "tag", "tags"),
        _tile("Detection", detectors(status), "detector", "state"),
        _link(status),
        *_troubles(status),
    ]


def maintenance(status: Facts) -> Facts:
    """The maintenance that is on; empty if none is."""
    kept = status.get("maintenance")
    return kept if isinstance(kept, dict) and kept.get("on") is True else {}


def _tile(name: str, rows: Sequence[Row], noun: str, page: str) -> Tile:
    wrong = [row for row in rows if not row.is_normal]
    if not wrong:
        return Tile(name, f"{counted(len(rows), noun)}, all fine", True, page)
    states = list(dict.fromkeys(row.word for row in wrong))
    named = ", ".join(row.name for row in wrong[:3]) + (" …" if len(wrong) > 3 else "")
    says = f"{len(wrong):,} of {counted(len(rows), noun)} {' or '.join(states[:3])}: {named}"
    return Tile(name, says, False, page)


def _link(status: Facts) -> Tile:
    rows = sinks(status)
    away = [row for row in rows if not row.is_normal]
    waits = waiting(status)
    if away:
        says = f"{', '.join(row.name for row in away)} away; waiting: {waits}"
    elif rows:
        says = f"{counted(len(rows), 'sink')} up; waiting: {waits}"
    else:
        says = "no sink: alarms and data stay on this machine"
    return Tile("Link", says, not away, "state")


def _troubles(status: Facts) -> list[Tile]:
    clock, found = status.get("clock"), []
    if isinstance(clock, dict) and clock.get("why"):
        found.append(Tile("Clock", brief(str(clock["why"]), SENTENCE), False, "state"))
    if given_up := lost(status):
        found.append(Tile("Lost", given_up, False, "state"))
    if why := status.get("state_folder"):
        found.append(Tile("Storage", brief(str(why), SENTENCE), False, "state"))
    return found


def _objects(status: Facts, name: str) -> list[Facts]:
    found = status.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(facts: Facts, name: str, most: int = 80) -> str:
    value = facts.get(name)
    return brief(value, most) if isinstance(value, str) else ""


def _up(facts: Facts) -> str:
    return "up" if facts.get("up") else "down"


def _reading(tag: Facts) -> str:
    value = tag.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    name = _text(tag, "name")
    return name or f"{number(value, 5)} {_text(tag, 'unit', 20)}".rstrip()


def _score(detector: Facts) -> str:
    score, threshold = detector.get("score"), detector.get("threshold")
    if not isinstance(score, int | float) or not isinstance(threshold, int | float):
        return ""
    return f"score {number(score, 3)}, threshold {number(threshold, 3)}"


def _age(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return "now" if seconds < 2 else f"{spell_roughly(round(seconds * SECOND))} ago"


def _ago(at: Any, now: Any) -> str:
    if not isinstance(at, int) or not isinstance(now, int) or at <= 0:
        return ""
    return _age((now - at) / SECOND)
