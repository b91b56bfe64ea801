"""Which units of a shared bus are polled, and which are parked (pure: time is an argument).

Promises
- A unit that does not respond costs its neighbours one time-out a cycle, not one for each request.
- After `after` failed cycles in a row it is parked: tried once every `every`, silent in between.
- Its first response ends the parking: it is read on its own schedule again.
- A unit alone on its bus is never parked: the bus itself is then lost.
"""

from collections.abc import Iterable

from gateway.api.model import Nanos


class Parking:
    """The units of one connection."""

    def __init__(self, units: Iterable[int], after: int, every: Nanos) -> None:
        self._units = frozenset(units)
        self._after, self._every = after, every
        self._failures: dict[int, int] = {}
        self._until: dict[int, Nanos] = {}
        self.has_response = False

    def failed(self, unit: int, now: Nanos, next_cycle: Nanos) -> bool:
        """Records that a unit did not respond in this cycle; True if that parks it."""
        count = self._failures[unit] = self._failures.get(unit, 0) + 1
        self._until[unit] = now + self._every if self.is_parked(unit) else next_cycle
        return count == self._after and self.is_parked(unit)

    def responded(self, unit: int) -> bool:
        """Records a response; True if the unit was parked until now."""
        self.has_response = True
        was_parked = self.is_parked(unit)
        self._failures.pop(unit, None)
        self._until.pop(unit, None)
        return was_parked

    def is_parked(self, unit: int) -> bool:
        return len(self._units) > 1 and self._failures.get(unit, 0) >= self._after

    def is_resting(self, unit: int, now: Nanos) -> bool:
        """The unit must not be polled now."""
        return now < self._until.get(unit, now)

    @property
    def are_all_silent(self) -> bool:
        return all(self._failures.get(unit) for unit in self._units)
