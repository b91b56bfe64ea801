"""What the transitions of a line mean together: their order, and the flood that they are part of.
Pure.

Promises
- Transitions of one moment are in the order of their onset: an alarm whose condition began first
  comes first, whatever its on-delay (first-out).
- A transition is marked `in_flood` while a flood is active, and so is the rest of the life of an
  alarm that was raised in one: what was not announced is not announced as returned. A re-alarm and
  an escalation announce an alarm again, and are marked only while a flood is active.
- The flood alarm itself is never marked.
- The marks survive a restart.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from gateway.api.model import Alert, Nanos, Transition
from gateway.core.alarms.flood import DETECTOR, FloodWatch
from gateway.core.alarms.machine import AlarmMachine

_ANNOUNCING = (Transition.RAISED, Transition.REALARMED, Transition.ESCALATED)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is kept of an open alarm."""

    id: str
    in_flood: bool = False


class Context:
    """The open alarms of a line and its flood alarm, whose `machine` has no other alarm.

    `titles` are the alarms' names for people, by detector and alarm as in 'guard.flow.low'.
    """

    def __init__(self, machine: AlarmMachine, titles: Mapping[str, str]) -> None:
        self._machine, self._titles = machine, titles
        self._watch = FloodWatch()
        self._marks: dict[str, _Mark] = {}
        """By detector and alarm."""

    @property
    def is_flood(self) -> bool:
        """Whether a flood is active."""
        return bool(self._machine.active)

    def follow(self, alerts: Iterable[Alert], now: Nanos) -> list[Alert]:
        """The transitions of a moment in the order of their onset, with their marks, and then the
        flood alarm's own.
        """
        ordered = first_out(alerts)
        self._watch.note(ordered, now, self._title)
        flood = self._watch.named(self._machine.step(self._watch.score(now)))
        return [self.marked(alert) for alert in ordered] + flood

    def marked(self, alert: Alert) -> Alert:
        """A transition with its marks; those of an open alarm are kept."""
        if alert.detector == DETECTOR:
            return self._watch.completed(alert)
        key = key_of(alert)
        mark = self._marks.get(key) or _Mark(alert.id)
        if alert.transition in _ANNOUNCING:
            mark = _Mark(alert.id, in_flood=self.is_flood)
        if alert.is_over:
            self._marks.pop(key, None)
        else:
            self._marks[key] = mark
        return replace(alert, in_flood=mark.in_flood or self.is_flood)

    def standing(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Alarms that the last run left open, with the marks that they had."""
        return [self._standing(alert) for alert in alerts]

    def _standing(self, alert: Alert) -> Alert:
        if alert.detector == DETECTOR:
            return self._watch.completed(alert)
        mark = self._marks.get(key_of(alert))
        return replace(alert, in_flood=mark is not None and mark.in_flood)

    def _title(self, alert: Alert) -> str:
        return self._titles.get(key_of(alert), key_of(alert))

    def checkpoint(self) -> bytes:
        """The state as JSON; the flood alarm's own is its machine's."""
        marks = {key: asdict(self._marks[key]) for key in sorted(self._marks)}
        facts = {"flood": self._watch.facts(), "marks": marks}
        return json.dumps(facts if any(facts.values()) else {}).encode()

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint."""
        facts = json.loads(state)
        self._watch.restore(facts.get("flood", {}))
        self._marks = {key: _Mark(**mark) for key, mark in facts.get("marks", {}).items()}


def key_of(alert: Alert) -> str:
    """An alarm as people name it: 'guard.flow.low'."""
    return f"{alert.detector}.{alert.alarm}"


def first_out(alerts: Iterable[Alert]) -> Sequence[Alert]:
    """In the order in which their conditions began, or in which they happened."""
    return sorted(alerts, key=_onset)


def _onset(alert: Alert) -> Nanos:
    # What an alarm does later is never before its own activation.
    return (alert.began_at or alert.at) if alert.transition is Transition.RAISED else alert.at
