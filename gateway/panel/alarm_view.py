"""The alarms of a line as a page shows them. Pure.

Promises
- What needs a person comes first, then the more severe, then what came first.
- A consequence is shown under its cause, if that is shown too. No alarm is left out or shown twice,
  also where causes form a circle.
- An alarm offers the acts that make sense in its state; the daemon decides.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway.api.alarms import AlarmState, Severity, Transition
from gateway.api.durations import spell_roughly
from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.api.visible import SENTENCE, brief
from gateway.api.wording import number
from gateway.core.alarms.limits import limit_of
from gateway.core.alarms.memory import HIDDEN
from gateway.core.alarms.texts import TEXTS

Facts = Mapping[str, Any]
Names = Mapping[str, Mapping[str, str]]
NO_NAMES: Names = MappingProxyType({})

UNACKNOWLEDGED = (
    AlarmState.UNACKNOWLEDGED,
    AlarmState.RETURNED_UNACKNOWLEDGED,
    AlarmState.LATCHED_UNACKNOWLEDGED,
)
STATES = {
    AlarmState.NORMAL: "Normal",
    AlarmState.UNACKNOWLEDGED: "Not acknowledged",
    AlarmState.ACKNOWLEDGED: "Acknowledged",
    AlarmState.RETURNED_UNACKNOWLEDGED: "Returned to normal, not acknowledged",
    AlarmState.LATCHED_UNACKNOWLEDGED: "Returned to normal, latched, not acknowledged",
    AlarmState.LATCHED_ACKNOWLEDGED: "Returned to normal, latched: reset it",
    AlarmState.SHELVED: "Shelved",
    AlarmState.SUPPRESSED: "Suppressed by design",
    AlarmState.OUT_OF_SERVICE: "Out of service",
}
TEMPORARY = {
    AlarmState.SHELVED: Transition.SHELVED,
    AlarmState.OUT_OF_SERVICE: Transition.TAKEN_OUT_OF_SERVICE,
}
"""The act that hid an alarm, whose author and reason are known as long as nothing else happened."""
MARKS = {"chattering": "chattering", "in_flood": "part of a flood"}
VERDICTS = {"real": "a real fault", "false": "a false alarm", "unclear": "unclear"}
DEEPEST = 4
"""Levels of consequences; deeper ones are shown at this level."""
TAGS = 5
"""Tags of an alarm that a page names."""


@dataclass(frozen=True)
class TagRow:
    """One tag that caused an alarm, in words."""

    name: str
    share: int
    actual: str
    expected: str
    reason: str


@dataclass(frozen=True)
class Card:
    """One alarm in words."""

    id: str
    anchor: str
    headline: str
    details: str
    advice: str
    severity: str
    severity_word: str
    state: str
    state_words: str
    needs_person: bool
    is_active: bool
    since: str
    lasted: str
    hidden: str
    """Until when it is hidden, by whom and why; empty if it is not."""
    marks: Sequence[str]
    verdict: str
    tags: Sequence[TagRow]
    expected_word: str
    """What a tag's expected value is: its limit, or what the model expected."""
    model: str
    coverage: str
    detector: str
    acts: frozenset[str]
    depth: int = 0
    consequences: int = 0


@dataclass(frozen=True)
class Alarms:
    """All alarms of a line: those to be seen, and those that are hidden on purpose."""

    shown: Sequence[Card] = ()
    hidden: Sequence[Card] = ()

    @property
    def unacknowledged(self) -> int:
        return sum(card.needs_person for card in self.shown)

    @property
    def worst(self) -> str:
        """The highest severity of what is shown; empty if there is none."""
        known = [Severity(card.severity) for card in self.shown]
        return str(max(known, key=lambda severity: severity.rank)) if known else ""


@dataclass
class _Tree:
    """The alarms under their causes."""

    roots: list[Facts] = field(default_factory=list)
    under: dict[str, list[Facts]] = field(default_factory=dict)


def is_alarm(alarm: Any) -> bool:
    """Whether a daemon's answer has what a card needs."""
    texts = ("id", "detector", "alarm", "state", "severity", "message")
    return (
        isinstance(alarm, dict)
        and all(isinstance(alarm.get(name), str) for name in texts)
        and isinstance(alarm.get("opened_at"), int)
        and isinstance(alarm.get("top_tags"), list)
        and all(isinstance(tag, dict) for tag in alarm["top_tags"])
    )


def cards(
    alarms: Sequence[Facts], units: Mapping[str, str], now: Nanos, names: Names = NO_NAMES
) -> Alarms:
    """The alarms of a line in the order in which a person should look at them."""
    shown = [alarm for alarm in alarms if alarm["state"] not in HIDDEN]
    hidden = [alarm for alarm in alarms if alarm["state"] in HIDDEN]
    return Alarms(
        _in_order(shown, units, now, names),
        [card(alarm, units, now, names) for alarm in sorted(hidden, key=_urgency)],
    )


def _in_order(
    alarms: Sequence[Facts], units: Mapping[str, str], now: Nanos, names: Names
) -> list[Card]:
    tree, ordered = _tree(alarms), list[Card]()

    def put(alarm: Facts, depth: int) -> None:
        below = tree.under.get(alarm["id"], [])
        ordered.append(card(alarm, units, now, names, min(depth, DEEPEST), len(below)))
        for each in sorted(below, key=lambda alarm: alarm["opened_at"]):
            put(each, depth + 1)

    def urgency(alarm: Facts) -> tuple[bool, int, Nanos]:
        # A cause is as urgent as its consequences.
        return min(map(_urgency, _family(alarm, tree)))

    for root in sorted(tree.roots, key=urgency):
        put(root, 0)
    return ordered


def _tree(alarms: Sequence[Facts]) -> _Tree:
    by_id = {alarm["id"]: alarm for alarm in alarms}
    tree = _Tree()
    for alarm in by_id.values():
        if _has_cause(alarm, by_id):
            tree.under.setdefault(alarm["caused_by"], []).append(alarm)
        else:
            tree.roots.append(alarm)
    return tree


def _has_cause(alarm: Facts, by_id: Mapping[str, Facts]) -> bool:
    """Whether its cause is shown too, and following the causes does not lead back to it."""
    cause, passed = alarm.get("caused_by") or "", {alarm["id"]}
    if cause not in by_id:
        return False
    while cause in by_id:
        # The depth also bounds what a long chain costs.
        if cause in passed or len(passed) > 20:
            return False
        passed.add(cause)
        cause = by_id[cause].get("caused_by") or ""
    return True


def _family(alarm: Facts, tree: _Tree) -> list[Facts]:
    found, waiting = list[Facts](), [alarm]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += tree.under.get(each["id"], [])
    return found


def _urgency(alarm: Facts) -> tuple[bool, int, Nanos]:
    severity = Severity(_severity(alarm))
    return alarm["state"] not in UNACKNOWLEDGED, -severity.rank, alarm["opened_at"]


def card(
    alarm: Facts,
    units: Mapping[str, str],
    now: Nanos,
    names: Names = NO_NAMES,
    depth: int = 0,
    consequences: int = 0,
) -> Card:
    """One alarm in words; texts are bounded."""
    advice = str(alarm.get("advice") or "")
    said = alarm["message"].removesuffix(f"; {advice}") if advice else alarm["message"]
    headline, details = _split(brief(said, 2 * SENTENCE))
    began = alarm.get("began_at") or alarm["opened_at"]
    coverage = alarm.get("coverage")
    return Card(
        id=alarm["id"],
        anchor=anchor(alarm["id"]),
        headline=headline,
        details=details,
        advice=brief(advice, SENTENCE),
        severity=_severity(alarm),
        severity_word=names.get("severity", {}).get(_severity(alarm)) or _severity(alarm),
        state=alarm["state"],
        state_words=_state(alarm, names),
        needs_person=alarm["state"] in UNACKNOWLEDGED,
        is_active=bool(alarm.get("active", True)),
        since=when(began, now),
        lasted=spell_roughly(max(now - began, 0)),
        hidden=_hidden(alarm, now),
        marks=[word for key, word in MARKS.items() if alarm.get(key) is True],
        verdict=VERDICTS.get(str(alarm.get("verdict")), ""),
        tags=[_tag(tag, units, alarm) for tag in alarm["top_tags"][:TAGS]],
        expected_word="limit" if alarm.get("tag") else "expected",
        model=brief(str(alarm.get("model") or "")),
        coverage=f"{coverage:.0%}".replace("%", " %") if isinstance(coverage, int | float) else "",
        detector=brief(alarm["detector"]),
        acts=acts(alarm),
        depth=depth,
        consequences=consequences,
    )


def acts(alarm: Facts) -> frozenset[str]:
    """What a person may do in its state, as the daemon names it; `once` is a shelf without end."""
    state, is_active = alarm["state"], bool(alarm.get("active", True))
    if state == AlarmState.NORMAL:
        return frozenset({"comment"})
    if state == AlarmState.OUT_OF_SERVICE:
        return frozenset({"return_to_service"})
    if state == AlarmState.SHELVED:
        return frozenset({"unshelve", "take_out_of_service"})
    offered = {"shelve", "take_out_of_service", "comment"}
    offered |= {"acknowledge"} if state in UNACKNOWLEDGED else set()
    offered |= {"reset"} if state == AlarmState.LATCHED_ACKNOWLEDGED and not is_active else set()
    return frozenset(offered | ({"once"} if is_active else set()))


def _state(alarm: Facts, names: Names) -> str:
    """The state and who acknowledged it, in the language of the line; in English the page's own."""
    state, by = alarm["state"], brief(str(alarm.get("acknowledged_by") or ""))
    known = names.get("state", {}).get(state, "")
    if known and known != TEXTS.get(f"state {state}"):
        return f"{known[:1].upper()}{known[1:]}" + (f" ({by})" if by else "")
    return STATES.get(state, brief(state)) + (f" by {by}" if by else "")


def _hidden(alarm: Facts, now: Nanos) -> str:
    state, until = alarm["state"], alarm.get("shelved_until")
    if state not in HIDDEN:
        return ""
    parts = []
    if state == AlarmState.SHELVED and isinstance(until, int):
        parts.append(f"until {when(until, now)}" if until else "until it returns to normal")
    why = brief(str(alarm.get("reason") or ""), SENTENCE)
    is_known = alarm.get("transition") == TEMPORARY.get(state, alarm.get("transition"))
    if is_known and alarm.get("by"):
        parts.append(f"by {brief(str(alarm['by']))}")
    return ": ".join(filter(None, (" ".join(parts), why if is_known else "")))


def anchor(alarm_id: str) -> str:
    """A name for an alarm that a page and an address can hold, whatever its id."""
    return "a" + hashlib.sha256(alarm_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def when(at: Nanos, now: Nanos) -> str:
    """A time for people: the hour of today, or the day as well."""
    try:
        is_today = local_time(at, "%Y-%m-%d") == local_time(now, "%Y-%m-%d")
        return local_time(at, "%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def quantity(value: Any, unit: str) -> str:
    """A value with its unit; empty if there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{number(value, 4)} {unit}".rstrip()


def _tag(tag: Facts, units: Mapping[str, str], alarm: Facts) -> TagRow:
    name, share = str(tag.get("tag", "")), tag.get("share")
    limit = limit_of(alarm, name)
    unit = units.get(name, "")
    return TagRow(
        name=brief(name),
        share=round(100 * share) if isinstance(share, int | float) and 0 <= share <= 1 else 0,
        actual=quantity(tag.get("actual"), unit),
        expected=quantity(tag.get("expected") if limit is None else limit, unit),
        reason=brief(str(tag.get("reason") or ""), SENTENCE),
    )


def _split(said: str) -> tuple[str, str]:
    """The alarm's name, and what follows it: 'Bearing temperature high', '87.2 °C, limit 85 °C'."""
    head, colon, rest = said.partition(": ")
    return (head, rest) if colon and len(head) <= 80 else (said, "")


def _severity(alarm: Facts) -> str:
    severity = alarm["severity"]
    return severity if severity in list(Severity) else str(Severity.MEDIUM)
