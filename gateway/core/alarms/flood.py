"""Alarm floods: one alarm that counts the others. Pure.

Promises
- A flood begins with the eleventh alarm in ten minutes and ends when fewer than five came in ten
  minutes, as in ISA-18.2 and EEMUA 191.
- While it lasts the other alarms are stored and listed like any others, with the mark `in_flood`;
  who sends messages to people leaves out what has it and sends the flood alone.
- Its message names the alarm whose condition began first (first-out).
- What is hidden, and what follows from another alarm, is no part of a flood.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gateway.api.alarms import Alarm, Alert, Severity, Transition
from gateway.api.model import SECOND, Nanos, Score
from gateway.core.alarms.memory import HIDDEN
from gateway.core.alarms.texts import filled

DETECTOR = "alarms"
"""The name under which its alarm is listed; no detector of a line file may have it."""
SPAN = 600 * SECOND
BEGINS_ABOVE = 10
ENDS_BELOW = 5
LIMIT = 10_000
"""Alarms that are kept at most; a flood of that size needs no further count."""


class _Raised(NamedTuple):
    """One alarm of the last ten minutes: when it was raised, when it began, and its title."""

    at: Nanos
    began_at: Nanos
    title: str


class FloodWatch:
    """The alarms that were raised within the last ten minutes."""

    alarms = (
        Alarm(
            "flood",
            threshold=BEGINS_ABOVE,
            severity=Severity.HIGH,
            hysteresis=BEGINS_ABOVE - ENDS_BELOW,
            scope=None,
        ),
    )

    def __init__(self) -> None:
        self._raised: deque[_Raised] = deque(maxlen=LIMIT)
        self._first = ""
        """The first-out alarm of the newest flood."""

    def note(
        self, alerts: Iterable[Alert], now: Nanos, title: Callable[[Alert], str] = str
    ) -> bool:
        """Count the new alarms among the transitions of a moment; whether there were any.

        `title` names an alarm for people.
        """
        new = [alert for alert in alerts if counts(alert)]
        for alert in new:
            self._raised.append(_Raised(now, alert.began_at or alert.opened_at, title(alert)))
        return bool(new)

    def is_to_forget(self, now: Nanos) -> bool:
        """Whether an alarm is too long ago to count."""
        # A clock that was set back leaves times of the future behind.
        return bool(self._raised) and not now - SPAN < self._raised[0].at <= now

    def score(self, now: Nanos) -> Score:
        """How many alarms came within ten minutes before `now`."""
        while self.is_to_forget(now):
            self._raised.popleft()
        return Score(now, np.array([float(len(self._raised))]), coverage=1.0)

    def named(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Transitions of the flood alarm, with the first-out alarm in their messages."""
        return [self._named(alert) for alert in alerts]

    def _named(self, alert: Alert) -> Alert:
        if alert.transition is Transition.RAISED and self._raised:
            self._first = min(self._raised, key=lambda raised: raised.began_at).title
        return self.completed(alert)

    def completed(self, alert: Alert) -> Alert:
        """The same transition; its message names the first-out alarm of the newest flood."""
        return replace(alert, message=filled(alert.message, first=self._first))

    def facts(self) -> dict[str, Any]:
        """The state as JSON can hold it; empty if there is none."""
        if not (self._first or self._raised):
            return {}
        return {"first": self._first, "raised": list(self._raised)}

    def restore(self, facts: dict[str, Any]) -> None:
        """Take up the state of an earlier run."""
        self._first = facts.get("first", "")
        rows = (_Raised(int(at), int(began), title) for at, began, title in facts.get("raised", ()))
        self._raised = deque(rows, maxlen=LIMIT)


def counts(alert: Alert) -> bool:
    """Whether a transition is an alarm that a flood consists of."""
    is_new = alert.transition is Transition.RAISED and alert.state not in HIDDEN
    return is_new and not alert.caused_by and alert.detector != DETECTOR
