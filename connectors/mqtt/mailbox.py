"""What the broker sent and nobody has read yet: bounded in messages and in bytes.

Promises
- When it is full the oldest message goes, because the newest is worth more to an alarm, and the
  samples it would have been are counted.
- A message bears the time at which it came, not at which it is read.
- A payload that is too long to be a measurement is not kept, only its length.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.api.model import Nanos

MAX_PAYLOAD = 1024 * 1024
MAX_MESSAGES = 10_000
MAX_BYTES = 32 * 1024 * 1024
# What is taken at once is decoded at once, while the whole gateway waits: at most some 100 ms.
_TAKE_MESSAGES, _TAKE_BYTES = 2_000, 1024 * 1024


class Arrival(NamedTuple):
    """One message; `payload` is None if it was too long, `size` counts topic and payload."""

    at: Nanos
    topic: str
    payload: bytes | None
    size: int
    is_retained: bool

    @property
    def held(self) -> int:
        """Bytes of payload that are kept."""
        return len(self.payload or b"")


class Mailbox(asyncio.Queue[Any]):
    """The queue that aiomqtt fills with its messages; it gives out `Arrival`s.

    `samples_of` says how many samples a message on a topic would be, to count what is `lost`.
    """

    def __init__(self, samples_of: Callable[[str], int]) -> None:
        super().__init__()
        self._samples_of = samples_of
        self._held = 0
        self._lost = 0

    def put_nowait(self, message: Any) -> None:
        """Take a message in; what is too much is dropped, never refused."""
        payload = bytes(message.payload)
        topic, size = message.topic.value, len(payload)
        kept = payload if size <= MAX_PAYLOAD else None
        size += len(topic.encode())
        arrival = Arrival(time.time_ns(), topic, kept, size, bool(message.retain))
        while self.qsize() >= MAX_MESSAGES or self._held + arrival.held > MAX_BYTES:
            self._lost += self._samples_of(self.get_nowait().topic)
        self._held += arrival.held
        super().put_nowait(arrival)

    def get_nowait(self) -> Any:
        """The oldest arrival."""
        arrival = super().get_nowait()
        self._held -= arrival.held
        return arrival

    def rest(self, first: Arrival) -> list[Arrival]:
        """`first` and what came after it, as much as may be decoded in one go."""
        taken, held = [first], first.held
        while not self.empty() and len(taken) < _TAKE_MESSAGES and held < _TAKE_BYTES:
            taken.append(self.get_nowait())
            held += taken[-1].held
        return taken

    def take_lost(self) -> int:
        """Samples dropped since the last time this was asked."""
        lost, self._lost = self._lost, 0
        return lost
