"""Alarm floods: one alarm that counts the others. Pure.

Promises
- A flood begins with the eleventh alarm in ten minutes and ends when fewer than five came in ten
  minutes, as in ISA-18.2 and EEMUA 191.
- While it lasts the other alarms are stored and listed like any others; who sends messages to
  people asks `is_flood` and sends the flood alone.
- What is hidden, and what follows from another alarm, is no part of a flood.
"""

import json
from collections import deque
from collections.abc import Iterable

import numpy as np

from gateway.api.model import SECOND, Alarm, Alert, Nanos, Score, Severity, Transition
from gateway.core.alarms.memory import HIDDEN

DETECTOR = "alarms"
"""The name under which its alarm is listed; no detector of a line file may have it."""
SPAN = 600 * SECOND
BEGINS_ABOVE = 10
ENDS_BELOW = 5
LIMIT = 10_000
"""Times that are kept at most; a flood of that size needs no further count."""
PHRASE = "Alarm flood: {value} alarms within 10 minutes; begin with the first of them"


class FloodWatch:
    """The alarms that were raised within the last ten minutes."""

    alarms = (
        Alarm(
            "flood",
            threshold=BEGINS_ABOVE,
            severity=Severity.HIGH,
            hysteresis=BEGINS_ABOVE - ENDS_BELOW,
            scope=None,
            title="Alarm flood",
            phrase=PHRASE,
        ),
    )

    def __init__(self) -> None:
        self._raised: deque[Nanos] = deque(maxlen=LIMIT)

    def note(self, alerts: Iterable[Alert], now: Nanos) -> None:
        """The transitions that a moment brought."""
        for alert in alerts:
            is_new = alert.transition is Transition.RAISED and alert.state not in HIDDEN
            if is_new and not alert.caused_by and alert.detector != DETECTOR:
                self._raised.append(now)

    def score(self, now: Nanos) -> Score:
        """How many alarms came within ten minutes before `now`."""
        # A clock that was set back leaves times of the future behind.
        while self._raised and not now - SPAN < self._raised[0] <= now:
            self._raised.popleft()
        return Score(now, np.array([float(len(self._raised))]), coverage=1.0)

    def checkpoint(self) -> bytes:
        """The state as JSON."""
        return json.dumps(list(self._raised)).encode()

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint."""
        self._raised = deque(map(int, json.loads(state)), maxlen=LIMIT)
