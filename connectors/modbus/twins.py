"""Units whose every answer comes twice, as some devices and converters send them (pure).

On RTU and ASCII the second one looks like the answer to the next request of the same shape.

Promises
- While it is not known how a unit answers, the line is listened to for `patience` before it is
  asked for something of the same shape again. If a second answer comes, second answers are
  waited for from then on; if none comes, nothing is.
- A unit that has not sent a second answer for a while is believed to send one again.
"""

from gateway.api.model import Nanos

LONGEST: Nanos = 100_000_000
"""How long a second answer is waited for at most."""
MISSES = 10


class Twins:
    """What is known of each unit; kept over the connections of one line."""

    def __init__(self, timeout: Nanos) -> None:
        self._patience = min(timeout, LONGEST)
        self._misses: dict[int, int] = {}

    def patience(self, unit: int) -> Nanos:
        """How long to listen for a second answer of this unit."""
        return self._patience if self._misses.get(unit, 0) < MISSES else 0

    def is_double(self, unit: int) -> bool:
        """Its answers come twice; False as well while nothing is known."""
        return self._misses.get(unit, MISSES) < MISSES

    def heard(self, unit: int, *, twice: bool) -> bool:
        """The line was listened to after an answer; True if that the unit answers twice is news."""
        was_double = self.is_double(unit)
        if twice:
            self._misses[unit] = 0
        elif was_double:
            self._misses[unit] += 1
        else:
            self._misses[unit] = MISSES
        return twice and not was_double
