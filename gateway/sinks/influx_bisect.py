"""Finds by bisection the points of a batch that a server rejects, and stores all others.

Promises
- A point is given up only if the server rejected it alone, twice, and accepts others; or if it
  reports that it dropped, or names, every point of the request.
- Among `MAX_POINTS` points, one that is wrong costs at most 13 more requests.
- Points beyond the retention cost three more requests, however many and wherever they are: a server
  that reports how many it dropped has dropped the oldest, which is verified.
- Results are kept when the link fails: the next attempt continues from there, however short the
  link is up.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet

from gateway.api.contracts import SinkUnavailable
from gateway.api.wording import kind_of
from gateway.sinks.influx_responses import WriteResponse, WriteStatus

MAX_POINTS = 1_000
"""Points of one request: ten halvings, two single sends, one check and the rest make 13."""
COMMENT = b"# andon asks whether it may write here"
"""Line protocol that stores nothing."""
GROW_AFTER = 8
"""After this many accepted bodies, twice the size is tried."""
_MAX_GROW_AFTER = 256

Send = Callable[[Sequence[bytes]], Awaitable[WriteResponse]]
"""Sends one request; raises SinkUnavailable unless the server decided about these points."""


class Bisector:
    """Keeps the results of an unfinished batch, and the size of request that the server accepts."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._limit = _SizeLimit()
        self._reach = MAX_POINTS
        """How many points to send at once, reduced after a rejection."""
        self._results: dict[bytes, str] = {}
        """Decided points of the batch: the server's message for a wrong one, "" if stored."""
        self._accepts = False
        """Whether the server has accepted any request in this attempt."""

    async def store(self, points: Sequence[bytes]) -> dict[int, str]:
        """Stores all points; the indices of wrong ones, with the server's messages.

        Raises SinkUnavailable as `send` does.
        """
        known = self._results
        self._results = {point: known[point] for point in points if point in known} if known else {}
        self._accepts = False
        await self._store([point for point in points if point not in self._results])
        wrong = {n: why for n, point in enumerate(points) if (why := self._results[point])}
        self._results = {}
        return wrong

    async def _store(self, points: Sequence[bytes]) -> None:
        start = 0
        while start < len(points):
            end = self._limit.fits(points, start, min(len(points), start + self._reach))
            run = points[start:end]
            response = await self._send(run)
            if response.status is WriteStatus.STORED:
                self._record(run)
                start, self._reach = end, min(self._reach * 2, MAX_POINTS)
            elif len(run) == 1:
                await self._confirm(points, start, response)
                start = end
            elif response.status is WriteStatus.TOO_LARGE:
                self._limit.note_too_large(run)
            elif len(run) in (response.dropped, len(response.lines)):
                # After an outage thousands of points may be beyond the bucket's retention.
                self._record(run, response.message)
                start = end
            elif (named := _named(run, response)) and await self._store_others(run, named):
                start = end
                if response.is_beyond_retention:
                    # The rest of the batch apart too, so that its requests are not mixed again.
                    bound = _bound(run, named)
                    await self._store([p for p in points[end:] if _time_of(p) < bound])
                    await self._store([p for p in points[end:] if _time_of(p) >= bound])
                    return
            else:
                start = await self._find_wrong(points, start, end)
                # Neighbours are often wrong for the same reason: then send single points.
                self._reach = 1 if self._is_wrong(points, start - 2) else MAX_POINTS

    async def _store_others(self, run: Sequence[bytes], named: AbstractSet[int]) -> bool:
        """Stores all but the points that the server named, then these; False if it cannot."""
        others = [point for index, point in enumerate(run) if index not in named]
        if (await self._send(others)).status is not WriteStatus.STORED:
            return False
        self._record(others)
        await self._store([run[index] for index in sorted(named)])
        return True

    async def _find_wrong(self, points: Sequence[bytes], start: int, end: int) -> int:
        """Decides the first wrong point of [start, end), which was rejected; the next index.

        Only first halves are sent: if one is stored, the wrong point is in the second half. That
        is one request for each halving, not two.
        """
        rejection = None
        while end - start > 1:
            middle = (start + end) // 2
            self._reach = middle - start
            response = await self._send(points[start:middle])
            if response.status is WriteStatus.STORED:
                self._record(points[start:middle])
                start, rejection = middle, None
            elif response.status is WriteStatus.TOO_LARGE:
                return start
            else:
                end, rejection = middle, response
        # No point is given up by inference: if only the other half was sent, send this one too.
        await self._confirm(points, start, rejection or await self._send(points[start:end]))
        return end

    async def _confirm(self, points: Sequence[bytes], index: int, response: WriteResponse) -> None:
        """Sends a single rejected point again, since one rejection may be temporary.

        That is skipped if its neighbour was rejected twice with the same message.
        """
        point = points[index]
        known = self._results.get(points[index - 1]) if index else None
        is_known = known is not None and kind_of(known) == response.kind
        if response.status is not WriteStatus.STORED and not is_known:
            response = await self._send([point])
        if response.status is not WriteStatus.STORED and not self._accepts:
            await self._check_request(response)
        self._record([point], "" if response.status is WriteStatus.STORED else response.message)

    async def _check_request(self, response: WriteResponse) -> None:
        """Raises SinkUnavailable if even a comment is rejected: then no point is wrong."""
        comment = await self._send([COMMENT])
        if comment.status is response.status and comment.kind == response.kind:
            raise SinkUnavailable(response.message, needs_human=True)
        self._accepts = True

    def _record(self, points: Sequence[bytes], why: str = "") -> None:
        self._results.update(dict.fromkeys(points, why))
        self._accepts |= not why
        self._limit.note_accepted()

    def _is_wrong(self, points: Sequence[bytes], index: int) -> bool:
        return index >= 0 and bool(self._results.get(points[index]))


class _SizeLimit:
    """The bytes that the server accepts in one request, raised again after accepted bodies.

    The limit may be temporary, as that of a proxy. After each failed attempt to exceed it the
    next one waits for more accepted bodies.
    """

    def __init__(self) -> None:
        self._bytes: float = math.inf
        self._accepted, self._grow_after = 0, GROW_AFTER

    def note_too_large(self, run: Sequence[bytes]) -> None:
        """Halves the limit, since these points were too large together."""
        self._bytes = _size(run) // 2
        # Nothing was accepted since the last time: raising the limit was wrong.
        is_failed_attempt = not self._accepted
        longer = min(2 * self._grow_after, _MAX_GROW_AFTER)
        self._grow_after = longer if is_failed_attempt else GROW_AFTER
        self._accepted = 0

    def note_accepted(self) -> None:
        """Counts an accepted body, and doubles the limit after enough of them."""
        self._accepted += 1
        if self._accepted >= self._grow_after:
            self._bytes, self._accepted = 2 * self._bytes, 0

    def fits(self, points: Sequence[bytes], start: int, end: int) -> int:
        """The end of the longest run of points within the limit; at least one point."""
        size = 0
        for index in range(start, end):
            size += len(points[index]) + 1
            if size > self._bytes and index > start:
                return index
        return end


def _named(run: Sequence[bytes], response: WriteResponse) -> AbstractSet[int]:
    """The indices of the points that the server says are wrong; empty if it does not say."""
    if response.lines:
        return response.lines if max(response.lines) < len(run) else frozenset()
    count = response.dropped
    if not response.is_beyond_retention or not 0 < count < len(run):
        return frozenset()
    times = [_time_of(point) for point in run]
    oldest = sorted(range(len(run)), key=times.__getitem__)
    # Points of one time are all beyond the retention, or none is.
    if times[oldest[count - 1]] == times[oldest[count]]:
        return frozenset()
    return frozenset(oldest[:count])


def _bound(run: Sequence[bytes], named: AbstractSet[int]) -> int:
    """A time between the newest point that was too old and the oldest that was not."""
    newest = max(_time_of(run[index]) for index in named)
    oldest = min(_time_of(point) for index, point in enumerate(run) if index not in named)
    return (newest + oldest + 1) // 2


def _time_of(point: bytes) -> int:
    """The time of a point in ns; 0 for something else than a point, which is refused anyway."""
    digits = point.rpartition(b" ")[2]
    return int(digits) if digits.lstrip(b"-").isdigit() else 0


def _size(points: Sequence[bytes]) -> int:
    return sum(len(point) + 1 for point in points)
