"""The browsers that are looking, each of which is woken when something has changed.

Promises
- At most MOST look at a time; one more is refused with a sentence.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from gateway.api.contracts import AndonError

MOST = 32


class TooMany(AndonError):  # noqa: N818 - an answer to a browser
    """As many browsers look as may."""


class Listeners:
    """The events by which streams are woken."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return len(self._events)

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something has changed; TooMany."""
        if len(self._events) >= MOST:
            raise TooMany(f"{MOST} browsers are looking already: close one of them")
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)

    def announce(self) -> None:
        """Something has changed."""
        for event in self._events:
            event.set()
