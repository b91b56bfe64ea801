"""Which tags are due to be polled, on an absolute schedule (pure: time is an argument).

Promises
- Polls are at `start + k * period`, however long a read takes: nothing drifts.
- After an overrun the missed polls are skipped and counted, never caught up in a burst.
"""

from collections.abc import Sequence

import numpy as np

from gateway.api.model import Indices, Nanos


class PollSchedule:
    """Tags by index, each with its period in ns, from `start` on by any monotonic clock."""

    def __init__(self, tags: Sequence[int], periods: Sequence[Nanos], start: Nanos) -> None:
        self._tags = np.array(tags, dtype=np.int32)
        self._periods = np.array(periods, dtype=np.int64)
        self._next = np.full(len(tags), start, dtype=np.int64)
        self.missed = 0

    def due(self, now: Nanos) -> Indices:
        """The tags to read now; each is due again at its first future poll."""
        is_due = self._next <= now
        steps = (now - self._next[is_due]) // self._periods[is_due] + 1
        self._next[is_due] += steps * self._periods[is_due]
        self.missed += int((steps - 1).sum())
        return self._tags[is_due]

    def wait(self, now: Nanos) -> Nanos | None:
        """Nanoseconds until the next poll; None if there are no tags."""
        return max(0, int(self._next.min()) - now) if len(self._next) else None
