"""When a device closes the connection by itself, learned from the last times (pure).

Many devices with one socket close it after each answer, after a few, or after a short silence.

Promises
- What a device did three times in a row is taken for its habit, and said.
- Where it closes after a number of answers, the connection is closed on our side after the last of
  them, so that no request is sent into a closing connection.
- Now and then the connection is left open: a device that has lost its habit is noticed.
"""

from collections import deque
from dataclasses import dataclass

from gateway.api.model import SECOND, Nanos

REPEATED = 3
_AT_ONCE: Nanos = SECOND // 10
"""A connection that is closed this soon after an answer was not closed for being idle."""
_MOST_ANSWERS = 100
_TRIED_EVERY = 50
"""Connections, one of which is left open in spite of the habit."""


@dataclass(frozen=True, slots=True)
class _Closing:
    answers: int
    idle: Nanos


class Closings:
    """The habit of one device; times are of any monotonic clock, in ns."""

    def __init__(self) -> None:
        self._last: deque[_Closing] = deque(maxlen=REPEATED)
        self._answers = self._opened = 0
        self._answered_at: Nanos = 0
        self.after_answers = 0
        """Answers after which the device closes; 0 if that is not its habit."""
        self.after_idle: Nanos = 0
        """The silence after which it closes; 0 if that is not its habit."""
        self._answered_units: set[int] = set()

    def opened(self) -> None:
        """A connection was opened."""
        self._opened += 1

    def answered(self, unit: int, now: Nanos) -> bool:
        """A response came; True if that shows that the device has lost its habit."""
        idle = now - self._answered_at
        self._answers += 1
        self._answered_at = now
        self._answered_units.add(unit)
        outlasted = self._answers > 1 and 0 < 2 * self.after_idle < idle
        if outlasted or 0 < self.after_answers < self._answers:
            self._forget()
            return True
        return False

    def closed(self, now: Nanos, *, is_instead: bool) -> None:
        """The device closed the connection; `is_instead` of responding to a request."""
        if not self._answers:
            return
        idle = 0 if is_instead else now - self._answered_at
        self._last.append(_Closing(self._answers, idle))
        self._learn()

    def ended(self) -> None:
        """The connection is closed, by whomever."""
        self._answers = 0

    def has_answered(self, unit: int) -> bool:
        """The unit has ever sent a response."""
        return unit in self._answered_units

    @property
    def has_answers(self) -> bool:
        """Some response came on the present connection."""
        return self._answers > 0

    @property
    def is_over(self) -> bool:
        """The connection has served its answers: it is closed on our side."""
        is_tried = self._opened % _TRIED_EVERY == 0
        return 0 < self.after_answers <= self._answers and not is_tried

    @property
    def text(self) -> str:
        """The habit in a sentence; empty if there is none."""
        if self.after_answers == 1:
            return (
                "the device closes the connection after each answer: "
                "reconnecting before each request"
            )
        if self.after_answers:
            return (
                f"the device closes the connection after {self.after_answers} answers: "
                f"reconnecting after each {self.after_answers}"
            )
        if self.after_idle:
            idle = f"{self.after_idle / SECOND:.1g} s"
            return (
                f"the device closes a connection that is idle for {idle}: "
                "reconnecting when it is needed"
            )
        return ""

    def _learn(self) -> None:
        if len(self._last) < REPEATED:
            return
        answers = {closing.answers for closing in self._last}
        idle = [closing.idle for closing in self._last]
        if len(answers) == 1 and max(idle) < _AT_ONCE and max(answers) <= _MOST_ANSWERS:
            self.after_answers, self.after_idle = max(answers), 0
        elif min(idle) >= _AT_ONCE and max(idle) < 2 * min(idle):
            self.after_answers, self.after_idle = 0, max(idle)
        elif not self.after_answers:
            self.after_idle = 0

    def _forget(self) -> None:
        self._last.clear()
        self.after_answers, self.after_idle = 0, 0
