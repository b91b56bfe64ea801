"""Which request is next, on an absolute schedule (pure: the time is an argument).

Promises
- Slots are at `start + k * period`, whatever a read took: nothing drifts. With the wall clock
  given, the first is at once and the others lie at (k + place) * period since 1970.
- `place` is in the middle third of the cells that samples are aligned to, so that jitter moves none
  to a neighbour, and it is each source's own, so that 300 devices are not asked in one instant.
- Of the requests that are due, the one whose next slot comes first goes first, so a long list of
  slow requests does not hold up a fast one.
- After an overrun the missed slots are skipped and counted, never caught up in a burst.
"""

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.modbus.plan import Request
from gateway.api.model import Nanos


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A request that is due at `due`; its next slot is `deadline`."""

    deadline: Nanos
    serial: int
    due: Nanos = field(compare=False)
    request: Request = field(compare=False)


def place_in_period(source: str) -> float:
    """Where in its period a source is polled, 1/3 to 2/3; the same after every start."""
    drawn = hashlib.blake2b(source.encode(), digest_size=4).digest()
    return (1 + int.from_bytes(drawn, "big") / 2**32) / 3


class Schedule:
    """All requests of a session, from `start` on, in any clock that only goes forward."""

    def __init__(
        self,
        requests: Sequence[Request],
        start: Nanos,
        wall: Nanos | None = None,
        place: float = 0.5,
    ) -> None:
        self.missed = 0
        self._serial = 0
        self._waiting: list[tuple[Nanos, Slot]] = []
        self._due: list[Slot] = []
        for request in requests:
            period = request.period
            lead = period if wall is None else (int(place * period) - wall) % period or period
            self._add(request, start, start + lead)

    def next(self, now: Nanos) -> Slot | None:
        """The slot to serve now, or None before `next_due`."""
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappush(self._due, heapq.heappop(self._waiting)[1])
        return heapq.heappop(self._due) if self._due else None

    @property
    def next_due(self) -> Nanos:
        """When something is due again, once `next` has said None."""
        return self._waiting[0][0]

    def done(self, slot: Slot, now: Nanos, instead: Sequence[Request] = ()) -> int:
        """The slot was served: put the request, or its parts, to its next one that is still ahead.

        Returns the slots that were missed.
        """
        period = slot.request.period
        missed = max(0, -((slot.deadline - now) // period))
        for request in instead or (slot.request,):
            due = slot.deadline + missed * period
            self._add(request, due, due + request.period)
        self.missed += missed
        return missed

    def _add(self, request: Request, due: Nanos, deadline: Nanos) -> None:
        self._serial += 1
        slot = Slot(deadline, self._serial, due, request)
        heapq.heappush(self._waiting, (due, slot))
