"""What flows through the running line, for whoever subscribes over the local socket.

Promises
- Without a subscriber it costs the line nothing. With one, the line puts a reference into a bounded
  queue, and everything else happens in the subscriber's own request.
- A slow subscriber never slows the line: what does not fit is dropped and counted.
- At most MOST subscribe at a time; one more is refused.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

from gateway.api.contracts import AndonError

TOPICS = ("samples", "windows", "scores", "alerts")
WAITING = 64
"""Items that a subscriber may be behind: ticks of the line for samples, alerts for alerts."""
PATIENCE_S = 5.0
"""`get` returns after this long without an item."""
MOST = 8
"""Subscribers at a time. Each costs the event loop a few ms a tick, and a connection."""


class TooManySubscribers(AndonError):  # noqa: N818 - an answer to a client, not a fault of ours
    """So many watch already that one more would be at the line's expense."""


class Subscriber:
    """One request's bounded queue."""

    def __init__(self) -> None:
        self.dropped = 0
        self.ended = False
        self._waiting: deque[Any] = deque()
        self._came = asyncio.Event()

    def put(self, item: Any) -> None:
        """Add an item; the oldest is dropped when there are too many."""
        if len(self._waiting) == WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(item)
        self._came.set()

    def end(self) -> None:
        """The listener has gone: `get` returns at once."""
        self.ended = True
        self._came.set()

    async def get(self) -> tuple[Any, int]:
        """The next item, and how many were dropped before it; None if none came for a while."""
        if not self._waiting and not self.ended:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), PATIENCE_S)
            except TimeoutError:
                return None, 0
        if not self._waiting:
            return None, 0
        dropped, self.dropped = self.dropped, 0
        return self._waiting.popleft(), dropped


class Tap:
    """The subscribers of a line, by topic."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[Subscriber]] = {topic: set() for topic in TOPICS}

    def offer(self, topic: str, item: Any) -> None:
        """Hand on what flows; from the line, between two awaits."""
        for subscriber in self._subscribers[topic]:
            subscriber.put(item)

    @contextlib.contextmanager
    def subscribe(self, topic: str) -> Iterator[Subscriber]:
        """A queue of what flows from now on; TooManySubscribers if there are MOST."""
        if sum(map(len, self._subscribers.values())) >= MOST:
            raise TooManySubscribers(
                f"{MOST} watch this line already, which is the most: end one of them"
            )
        subscriber = Subscriber()
        self._subscribers[topic].add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers[topic].discard(subscriber)
