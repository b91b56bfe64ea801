"""Messages that were received and not yet read: bounded in number and in bytes.

Promises
- When the queue is full the oldest message is dropped, because the newest is worth more to an
  alarm, and the samples it would have had are counted.
- A message has the time at which it arrived, not at which it is read.
- A payload that is longer than `most` is not kept, only its length.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.api.model import Nanos

MAX_PAYLOAD = 1024 * 1024
"""The longest payload that is kept, if nothing else is said."""
MAX_MESSAGES = 10_000
MAX_BYTES = 32 * 1024 * 1024
# A batch is decoded in one go, which blocks the whole gateway: at most some 100 ms.
_BATCH_MESSAGES, _BATCH_BYTES = 2_000, 1024 * 1024


class ReceivedMessage(NamedTuple):
    """One message; `payload` is None if it was too long, `size` counts topic and payload."""

    at: Nanos
    topic: str
    payload: bytes | None
    size: int
    is_retained: bool

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept: a topic may be longer than its payload."""
        return len(self.topic) + len(self.payload or b"")


class ReceiveQueue(asyncio.Queue[Any]):
    """The queue that aiomqtt fills with its messages; it returns `ReceivedMessage`s.

    `samples_of` returns how many samples a message on a topic has, to count the lost ones.
    """

    def __init__(self, samples_of: Callable[[str], int], most: int = MAX_PAYLOAD) -> None:
        super().__init__()
        self._samples_of, self._most = samples_of, most
        self._kept_bytes = 0
        self._lost = 0

    def put_nowait(self, message: Any) -> None:
        """Adds a message; makes room by dropping the oldest, never refuses."""
        payload = bytes(message.payload)
        topic, size = message.topic.value, len(payload)
        kept = payload if size <= self._most else None
        size += len(topic.encode())
        received = ReceivedMessage(time.time_ns(), topic, kept, size, bool(message.retain))
        while self.qsize() >= MAX_MESSAGES or self._kept_bytes + received.kept_bytes > MAX_BYTES:
            self._lost += self._samples_of(self.get_nowait().topic)
        self._kept_bytes += received.kept_bytes
        super().put_nowait(received)

    def get_nowait(self) -> Any:
        """The oldest message."""
        received = super().get_nowait()
        self._kept_bytes -= received.kept_bytes
        return received

    def batch(self, first: ReceivedMessage) -> list[ReceivedMessage]:
        """`first` and the messages after it, as many as may be decoded in one go."""
        messages, size = [first], first.kept_bytes
        while not self.empty() and len(messages) < _BATCH_MESSAGES and size < _BATCH_BYTES:
            messages.append(self.get_nowait())
            size += messages[-1].kept_bytes
        return messages

    def take_lost(self) -> int:
        """Samples dropped since the previous call."""
        lost, self._lost = self._lost, 0
        return lost
