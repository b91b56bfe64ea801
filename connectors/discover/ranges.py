"""Which addresses of a table answer, found with few reads (pure: somebody else does the reading).

Promises
- Looks at addresses where manuals let their tables begin, and goes from what answers to both ends
  by halving: some seventy reads for a table that has nothing, some ten for each range.
- What is in `found` answered, whole; it may be looked at before the search is over.
- A table that answers on and on is left after `longest`.
"""

import heapq
from collections.abc import Generator

LAST = 65536
STARTS = sorted(
    {
        *range(6),
        *range(10, 100, 10),
        *range(100, 1000, 100),
        *range(256, 4096, 256),
        *range(1000, 10_000, 1000),
        *range(10_000, LAST, 10_000),
        *range(4096, LAST, 4096),
    }
)
"""Round numbers, decimal and hexadecimal, and those that count from 1; sorted, so a heap."""
GAPS = (1, 2, 4, 8, 16)
"""How far behind the end of a range the next one is looked for."""

Asking = Generator[tuple[int, int], bool | None, int]
"""Yields address and count of a read, is told whether it was answered; returns an address."""


class Search:
    """One table; `most` is what one answer can hold, and becomes less if the device gives less."""

    def __init__(self, most: int, longest: int) -> None:
        self.found: list[range] = []
        self.most = most
        self._longest = longest

    def steps(self) -> Generator[tuple[int, int], bool | None, None]:
        """The reads, one after the other: (address, count), to be sent whether it was answered."""
        starts = list(STARTS)
        while starts:
            start = heapq.heappop(starts)
            if start < self._covered or not (yield start, 1):
                continue
            first = yield from self._first(start)
            self.found.append(range(first, start + 1))
            yield from self._to_the_end(start + 1)
            if len(self.found[-1]) >= self._longest:
                return
            for start in (self._covered + gap for gap in GAPS):
                if start < LAST:
                    heapq.heappush(starts, start)

    @property
    def _covered(self) -> int:
        return self.found[-1].stop if self.found else 0

    def _first(self, start: int) -> Asking:
        """Where the range begins that `start` is in."""
        # Mostly it begins right here: one read instead of seven.
        while start > self._covered and (yield start - 1, 1):
            room = min(self.most, start - self._covered)
            length = yield from _largest(room, start, is_upwards=False)
            start -= max(length, 1)
        return start

    def _to_the_end(self, at: int) -> Generator[tuple[int, int], bool | None, None]:
        before = 0
        while at < LAST and len(self.found[-1]) < self._longest:
            room = min(self.most, LAST - at)
            length = yield from _largest(room, at)
            at += length
            self.found[-1] = range(self.found[-1].start, at)
            if length < room:
                if not length or at == LAST or not (yield at, 1):
                    return
                if length == before:
                    self.most = length
                before = length


def _largest(room: int, at: int, *, is_upwards: bool = True) -> Asking:
    """The largest count up to `room` that is answered from `at` on, or before it; 0 if none is."""
    answered, refused, count = 0, room + 1, room
    while refused - answered > 1:
        if (yield at if is_upwards else at - count, count):
            answered = count
        else:
            refused = count
        count = (answered + refused) // 2
    return answered
