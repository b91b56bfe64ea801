"""How often messages may be sent. Pure: the time is an argument."""

from gateway.api.model import SECOND, Nanos

HOUR = 3600 * SECOND


class Rate:
    """At most `most` messages in any hour.

    Half of them may leave at once, the others come back evenly over the hour, so that after a burst
    the next message waits for minutes and not for an hour.
    """

    def __init__(self, most: int, left: float | None = None, at: Nanos = 0) -> None:
        self._burst = (most + 1) // 2
        self._every = HOUR / (most - self._burst)
        self.left = float(self._burst) if left is None else min(left, float(self._burst))
        self.at = at

    def wait(self, now: Nanos) -> Nanos:
        """How long until a message may leave; 0 if one may now."""
        self._refill(now)
        return 0 if self.left >= 1 else max(1, round((1 - self.left) * self._every))

    def available(self, now: Nanos) -> int:
        """How many messages may leave now."""
        self._refill(now)
        return int(self.left)

    def spend(self, now: Nanos) -> None:
        """A message leaves."""
        self._refill(now)
        self.left = max(0.0, self.left - 1)

    def _refill(self, now: Nanos) -> None:
        # A clock that went back gives nothing, and does not stop the refilling either.
        passed = max(0, now - self.at) if self.at else 0
        self.left = min(float(self._burst), self.left + passed / self._every)
        self.at = now
