"""What the transitions of a line mean together: their order, which alarm follows from which, and
the flood that they are part of. Pure.

Promises
- Transitions of one moment are in the order of their onset: an alarm whose condition began first
  comes first, whatever its on-delay (first-out).
- A transition is marked `in_flood` while a flood is active, and so is the rest of the life of an
  alarm that was raised in one: what was not announced is not announced as returned. A re-alarm and
  an escalation announce an alarm again, and are marked only while a flood is active.
- The flood alarm itself is never marked.
- An alarm names in `caused_by`, for all of its life, the id of an upstream alarm (cascade.py) that
  is active when it is raised, or was when its condition began. It is not counted in a flood.
- The marks survive a restart.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from gateway.api.alarms import Alert, Transition
from gateway.api.model import Nanos
from gateway.core.alarms.cascade import Upstream
from gateway.core.alarms.flood import DETECTOR, FloodWatch
from gateway.core.alarms.machine import AlarmMachine
from gateway.core.alarms.memory import FOREVER

_ANNOUNCING = (Transition.RAISED, Transition.REALARMED, Transition.ESCALATED)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is kept of an open alarm, and of the last one from which others may follow.

    `tags` are those that it named last; it was active until `until`, for ever while it is.
    """

    id: str
    in_flood: bool = False
    caused_by: str = ""
    until: Nanos = 0
    tags: tuple[str, ...] = ()


class Context:
    """The open alarms of a line and its flood alarm, whose `machine` has no other alarm.

    `titles` are the alarms' names for people and `upstream` those that an alarm may follow from,
    by detector and alarm as in 'guard.flow.low'.
    """

    def __init__(
        self,
        machine: AlarmMachine,
        titles: Mapping[str, str],
        upstream: Mapping[str, Sequence[Upstream]],
    ) -> None:
        self._machine, self._titles, self._upstream = machine, titles, upstream
        self._watch = FloodWatch()
        self._causes = {cause.alarm for causes in upstream.values() for cause in causes}
        self._marks: dict[str, _Mark] = {}
        """By detector and alarm."""
        self._state: bytes | None = None

    @property
    def is_flood(self) -> bool:
        """Whether a flood is active."""
        return bool(self._machine.active)

    def follow(self, alerts: Iterable[Alert], now: Nanos) -> list[Alert]:
        """The transitions of a moment in the order of their onset, with their marks, and then the
        flood alarm's own.
        """
        linked = self._linked(first_out(alerts))
        if self._watch.note(linked, now, self._title) or self._watch.is_to_forget(now):
            self._state = None
        flood = self._watch.named(self._machine.step(self._watch.score(now)))
        return [self._flooded(alert) for alert in linked] + flood

    def marked(self, alert: Alert) -> Alert:
        """A transition that a person brought about, with its marks."""
        if alert.detector == DETECTOR:
            return self._watch.completed(alert)
        (linked,) = self._linked([alert])
        return self._flooded(linked)

    def _linked(self, alerts: Sequence[Alert]) -> list[Alert]:
        """The same with `caused_by`; their marks are kept."""
        for alert in alerts:
            self._note(alert)
        causes = {mark.id: mark.caused_by for mark in map(self._explain, alerts)}
        return [replace(alert, caused_by=causes.get(alert.id, "")) for alert in alerts]

    def _explain(self, alert: Alert) -> _Mark:
        """The mark of an alarm with its cause, which may have come later in the same moment."""
        mark = self._marks[key_of(alert)]
        if alert.transition is Transition.RAISED and mark.id == alert.id and not mark.caused_by:
            mark = self._marks[key_of(alert)] = replace(mark, caused_by=self._cause(alert))
        return mark

    def _note(self, alert: Alert) -> None:
        key = key_of(alert)
        mark = self._marks.get(key) or _Mark(alert.id)
        if alert.transition is Transition.RAISED:
            mark = _Mark(alert.id, caused_by=self._cause(alert))
        tags = tuple(top.tag for top in alert.top_tags)
        until = FOREVER if alert.is_active else min(mark.until, alert.at)
        self._marks[key] = replace(mark, until=until, tags=tags)
        self._state = None

    def _cause(self, alert: Alert) -> str:
        """The id of the upstream alarm that is active, or was at the onset; empty if none."""
        for alarm, naming in self._upstream.get(key_of(alert), ()):
            mark = self._marks.get(alarm)
            if mark is None or mark.until < (alert.began_at or alert.at):
                continue
            if naming and not naming.intersection(mark.tags):
                continue
            if not (mark.caused_by and self._follows(mark, alert.id)):
                return mark.id
        return ""

    def _follows(self, mark: _Mark, alarm_id: str) -> bool:
        """Whether an alarm follows from this one, maybe by way of others."""
        marks = {each.id: each for each in self._marks.values()}
        seen = set[str]()
        following: _Mark | None = mark
        while following is not None and following.id not in seen:
            if following.id == alarm_id:
                return True
            seen.add(following.id)
            following = marks.get(following.caused_by)
        return False

    def _flooded(self, alert: Alert) -> Alert:
        """The same with `in_flood`; what is over is forgotten."""
        key = key_of(alert)
        mark = self._marks.get(key)
        if mark is None or mark.id != alert.id:
            # It came and went, and came again, within one moment.
            return replace(alert, in_flood=self.is_flood)
        if alert.transition in _ANNOUNCING:
            mark = replace(mark, in_flood=self.is_flood)
        if alert.is_over and key not in self._causes:
            del self._marks[key]
        else:
            self._marks[key] = mark
        return replace(alert, in_flood=mark.in_flood or self.is_flood)

    def standing(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Alarms that the last run left open, with the marks that they had."""
        return [self._standing(alert) for alert in alerts]

    def _standing(self, alert: Alert) -> Alert:
        if alert.detector == DETECTOR:
            return self._watch.completed(alert)
        mark = self._marks.get(key_of(alert)) or _Mark(alert.id)
        return replace(alert, in_flood=mark.in_flood, caused_by=mark.caused_by)

    def _title(self, alert: Alert) -> str:
        return self._titles.get(key_of(alert), key_of(alert))

    def checkpoint(self) -> bytes:
        """The state as JSON; the flood alarm's own is its machine's."""
        if self._state is None:
            marks = {key: asdict(self._marks[key]) for key in sorted(self._marks)}
            facts = {"flood": self._watch.facts(), "marks": marks}
            self._state = json.dumps(facts if any(facts.values()) else {}).encode()
        return self._state

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint."""
        facts = json.loads(state)
        self._watch.restore(facts.get("flood", {}))
        self._state = None
        self._marks = {
            key: _Mark(**{**mark, "tags": tuple(mark["tags"])})
            for key, mark in facts.get("marks", {}).items()
            # An alarm that is not in the line file any more is no cause of another.
            if key in self._titles
        }


def key_of(alert: Alert) -> str:
    """An alarm as people name it: 'guard.flow.low'."""
    return f"{alert.detector}.{alert.alarm}"


def first_out(alerts: Iterable[Alert]) -> Sequence[Alert]:
    """In the order in which their conditions began, or in which they happened."""
    return sorted(alerts, key=_onset)


def _onset(alert: Alert) -> Nanos:
    # What an alarm does later is never before its own activation.
    return (alert.began_at or alert.at) if alert.transition is Transition.RAISED else alert.at
