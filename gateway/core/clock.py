"""Whether the wall clock can be believed, and what a step of it must not break.

Promises
- A clock before andon's release is never trusted. One that is behind the newest stored point
  at the start, or that was stepped, is not for an hour, unless the machine says that it is
  synchronised. A clock that is not synchronised is trusted while nothing contradicts it.
- Each time the clock goes back a new epoch starts. The epoch is part of alarm ids and of the
  points' nanoseconds, so that a time which comes twice is not stored twice. It survives a restart.

Why "not synchronised" alone is not enough to doubt: docs/decisions/0019.
"""

import json
from collections.abc import Callable

from gateway.api.model import SECOND, Nanos

RELEASED: Nanos = 1_793_491_200 * SECOND
"""2026-11-01: no correct clock is before it. Updated with every release."""
STEP: Nanos = SECOND
"""A clock that differs from the monotonic one by more since the last look was stepped."""
DOUBTED: Nanos = 3600 * SECOND
"""How long a clock is doubted while the machine does not report it as synchronised."""
EPOCH: Nanos = 100_000
"""What each epoch adds to the time of a point; below it are the places of a detector's alarms."""


class ClockWatch:
    """Looks at the clock with every tick. `monotonic` in ns; `synchronised` asks the machine."""

    def __init__(
        self,
        monotonic: Callable[[], Nanos],
        synchronised: Callable[[], bool],
    ) -> None:
        self.why = ""
        """Why the clock is not trusted; empty while it is."""
        self.epoch = 0
        self.steps = 0
        self._monotonic, self._synchronised = monotonic, synchronised
        self._newest: Nanos = 0
        self._offset: Nanos | None = None
        self._doubt, self._doubted_until = "", 0

    def check(self, now: Nanos) -> Nanos:
        """Judge the clock; by how much it was stepped since the last look, 0 for not at all."""
        monotonic = self._monotonic()
        offset = now - monotonic
        is_first = self._offset is None
        step = 0 if self._offset is None else offset - self._offset
        self._offset = offset
        if abs(step) <= STEP:
            step = 0
        if step or is_first:
            self._judge(now, monotonic, step)
        self.why = self._reason(now, monotonic)
        return step

    def _judge(self, now: Nanos, monotonic: Nanos, step: Nanos) -> None:
        if step:
            self.steps += 1
            self._doubt, self._doubted_until = "stepped", monotonic + DOUBTED
        if now < self._newest:
            self.epoch += 1
            self._newest = now
            if not step:
                self._doubt, self._doubted_until = "behind_points", monotonic + DOUBTED

    def _reason(self, now: Nanos, monotonic: Nanos) -> str:
        if now < RELEASED:
            return "before_release"
        if monotonic >= self._doubted_until or self._synchronised():
            self._doubted_until = 0
            return ""
        return self._doubt

    def note(self, at: Nanos) -> None:
        """A point of that time is stored."""
        self._newest = max(self._newest, at)

    def checkpoint(self) -> bytes:
        """What must outlive the process, as JSON."""
        return json.dumps({"newest": self._newest, "turn": self.epoch}).encode()

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint; before the first look."""
        known = json.loads(state)
        self._newest, self.epoch = known["newest"], known["turn"]
