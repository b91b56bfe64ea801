"""Units that send every response twice, as some devices and converters do (pure).

On RTU and ASCII the duplicate looks like the response to the next request of the same shape.

Promises
- While it is not known whether a unit sends duplicates, the bus is listened to for `wait` before a
  request of the same shape is sent again. If a duplicate arrives, duplicates are waited for from
  then on; if none arrives, there is no further wait.
- A unit that has not sent a duplicate for a while is trusted again.
"""

from gateway.api.model import Nanos

LONGEST: Nanos = 100_000_000
"""The longest wait for a duplicate."""
MISSES = 10


class DuplicateResponses:
    """What is known of each unit; kept across the connections of one bus."""

    def __init__(self, timeout: Nanos) -> None:
        self._wait = min(timeout, LONGEST)
        self._misses: dict[int, int] = {}

    def wait(self, unit: int) -> Nanos:
        """How long to listen for a duplicate from this unit."""
        return self._wait if self._misses.get(unit, 0) < MISSES else 0

    def is_expected(self, unit: int) -> bool:
        """The unit sends duplicates; False as well while this is unknown."""
        return self._misses.get(unit, MISSES) < MISSES

    def note(self, unit: int, *, came: bool) -> bool:
        """Records whether a duplicate came; True if that is the unit's first."""
        was_expected = self.is_expected(unit)
        if came:
            self._misses[unit] = 0
        elif was_expected:
            self._misses[unit] += 1
        else:
            self._misses[unit] = MISSES
        return came and not was_expected
