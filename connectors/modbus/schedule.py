"""Which request is next, on an absolute schedule (pure: time is an argument).

Promises
- Slots are at `start + k * period`, however long a read takes: nothing drifts. With the wall clock
  given, the first is immediate and the others are at (k + phase) * period since 1970.
- `phase` is in the middle third of the cells that samples are aligned to, so that jitter moves none
  to a neighbour, and differs between sources, so that 300 devices are not polled at one instant.
- Of the requests that are due, the one whose next slot comes first goes first, so a long list of
  slow requests does not delay a fast one.
- `first` are served before all others, once: what an earlier session left waiting.
- After an overrun the missed slots are skipped and counted, never caught up in a burst.
"""

import hashlib
import heapq
from collections import deque
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


def phase_of(source: str) -> float:
    """Where in its period a source is polled, 1/3 to 2/3; the same after every restart."""
    drawn = hashlib.blake2b(source.encode(), digest_size=4).digest()
    return (1 + int.from_bytes(drawn, "big") / 2**32) / 3


class Schedule:
    """All requests of a session, from `start` on, by any monotonic clock."""

    def __init__(
        self,
        requests: Sequence[Request],
        start: Nanos,
        wall: Nanos | None = None,
        phase: float = 0.5,
        first: Sequence[Request] = (),
    ) -> None:
        self.missed = 0
        self._first = deque(first)
        self._serial = 0
        self._waiting: list[tuple[Nanos, Slot]] = []
        self._due: list[Slot] = []
        for request in requests:
            period = request.period
            lead = period if wall is None else (int(phase * period) - wall) % period or period
            self._add(request, start, start + lead)

    def next(self, now: Nanos) -> Slot | None:
        """The slot to serve now, or None before `next_due`."""
        while self._waiting and self._waiting[0][0] <= now:
            heapq.heappush(self._due, heapq.heappop(self._waiting)[1])
        if self._first and self._due:
            return self._of_the_first()
        return heapq.heappop(self._due) if self._due else None

    def _of_the_first(self) -> Slot:
        wanted = self._first.popleft()
        slot = next((slot for slot in self._due if slot.request is wanted), self._due[0])
        self._due.remove(slot)
        heapq.heapify(self._due)
        return slot

    @property
    def next_due(self) -> Nanos:
        """When the next slot is due, after `next` returned None."""
        return self._waiting[0][0]

    def done(self, slot: Slot, now: Nanos, instead: Sequence[Request] = ()) -> int:
        """Schedules the request of a served slot, or its parts, at its next future slot.

        Returns the number of missed slots.
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
