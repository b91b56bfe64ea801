"""The byte budget of a sink: how much may leave in an hour. Pure.

Promises
- Between two full hours (UTC), summaries and the gateway's own points leave only while there is
  room. Alerts count, and so does what was sent in vain, but an alert never waits.
- Clips leave only while half of the hour's budget is left: they never cost an hour its summaries.
- No batch can burst the budget: it is cut to what is left as if nothing could be compressed.
- A backlog that does not fit into the next hour either is merged to coarser summaries.
- A restart goes on with what the hour has spent.
"""

import json

from gateway.api.model import SECOND, Kind, Nanos

HOUR: Nanos = 3600 * SECOND
LEAST = 1024
"""Room for fewer bytes than this counts as none: it would hold a handful of points."""
CLIPS = 0.5
"""The share of an hour's budget that clips may bring the spending to."""


class Budget:
    """What one sink has spent in the present hour; `per_hour` None is no limit."""

    def __init__(self, per_hour: int | None = None) -> None:
        self.per_hour = per_hour
        self._hour, self._spent = 0, 0
        self._sent = self._bodies = 0

    def spent(self, now: Nanos) -> int:
        """Bytes of the present hour."""
        # Also when the clock was set back: another hour is another hour.
        return self._spent if now // HOUR == self._hour else 0

    def spend(self, sent: int, bodies: int, now: Nanos) -> None:
        """`sent` bytes left, for points of `bodies` bytes before compression."""
        self._spent = self.spent(now) + sent
        self._hour = now // HOUR
        self._sent += sent
        self._bodies += bodies

    def room(self, now: Nanos, most: int) -> int:
        """Bytes of points, up to `most`, that may be sent; 0 when summaries have to wait."""
        if self.per_hour is None:
            return most
        left = self.per_hour - self.spent(now)
        return min(left, most) if left >= LEAST else 0

    def lowest(self, now: Nanos) -> Kind:
        """The lowest class that there is room for."""
        if not self.room(now, LEAST):
            return Kind.ALERT
        is_half_spent = self.per_hour is not None and self.spent(now) > CLIPS * self.per_hour
        return Kind.GATEWAY if is_half_spent else Kind.CLIP

    def renewed_in(self, now: Nanos) -> float:
        """Seconds to the next full hour."""
        return (HOUR - now % HOUR) / SECOND

    def checkpoint(self) -> bytes:
        """Everything that `restore` takes."""
        return json.dumps([self._hour, self._spent, self._sent, self._bodies]).encode()

    def restore(self, state: bytes) -> None:
        """Go on with the hour of the last run."""
        self._hour, self._spent, self._sent, self._bodies = json.loads(state)

    def is_beyond(self, waiting: int) -> bool:
        """Whether points of so many bytes would not fit into an hour either."""
        share = self._sent / self._bodies if self._bodies else 1.0
        return self.per_hour is not None and waiting * share > self.per_hour
