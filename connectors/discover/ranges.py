"""Searches the address ranges of a table with few reads (pure: the caller does the reading).

Promises
- It tries addresses at which manuals usually begin their tables, and extends each hit to both ends
  by bisection: about seventy reads for an empty table, about ten for each range.
- Every address in `ranges` responded; `ranges` may be read before the search is over.
- A table whose range does not end is left after `longest` addresses.
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
"""Round numbers, decimal and hexadecimal, also counted from 1; sorted, so it is a heap."""
GAPS = (1, 2, 4, 8, 16)
"""Distances after the end of a range at which the next one is tried."""

Reads = Generator[tuple[int, int], bool | None, int]
"""Yields address and count of a read, receives whether it succeeded; returns an address."""


class Search:
    """One table; `most` is the size of one response, reduced if the device returns less."""

    def __init__(self, most: int, longest: int) -> None:
        self.ranges: list[range] = []
        self.most = most
        self._longest = longest

    def steps(self) -> Generator[tuple[int, int], bool | None, None]:
        """Yields the reads one by one as (address, count); send it whether each succeeded."""
        starts = list(STARTS)
        while starts:
            start = heapq.heappop(starts)
            if start < self._covered or not (yield start, 1):
                continue
            first = yield from self._first(start)
            self.ranges.append(range(first, start + 1))
            yield from self._to_the_end(start + 1)
            if len(self.ranges[-1]) >= self._longest:
                return
            for start in (self._covered + gap for gap in GAPS):
                if start < LAST:
                    heapq.heappush(starts, start)

    @property
    def _covered(self) -> int:
        return self.ranges[-1].stop if self.ranges else 0

    def _first(self, start: int) -> Reads:
        """The first address of the range that `start` is in."""
        # Usually the range begins at `start`: one read instead of seven.
        while start > self._covered and (yield start - 1, 1):
            room = min(self.most, start - self._covered)
            length = yield from _largest(room, start, is_upwards=False)
            start -= max(length, 1)
        return start

    def _to_the_end(self, at: int) -> Generator[tuple[int, int], bool | None, None]:
        before = 0
        while at < LAST and len(self.ranges[-1]) < self._longest:
            room = min(self.most, LAST - at)
            length = yield from _largest(room, at)
            at += length
            self.ranges[-1] = range(self.ranges[-1].start, at)
            if length < room:
                if not length or at == LAST or not (yield at, 1):
                    return
                if length == before:
                    self.most = length
                before = length


def _largest(room: int, at: int, *, is_upwards: bool = True) -> Reads:
    """The largest count up to `room` that can be read from `at` on, or before it; 0 if none."""
    readable, refused, count = 0, room + 1, room
    while refused - readable > 1:
        if (yield at if is_upwards else at - count, count):
            readable = count
        else:
            refused = count
        count = (readable + refused) // 2
    return readable
