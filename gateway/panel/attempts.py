"""How often an address may try a token. Times are seconds of a clock that only goes forward.

Promises
- After FREE wrong tokens within WITHIN_S an address waits until the oldest of them is that old.
- At most ADDRESSES addresses are remembered; of more the one that failed longest ago is forgotten.
"""

from collections import deque

FREE = 5
WITHIN_S = 60.0
ADDRESSES = 1024


class Attempts:
    """The wrong tokens of the last minute, by address."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[float]] = {}

    def __len__(self) -> int:
        return len(self._failed)

    def wait_s(self, address: str, now: float) -> float:
        """How long this address must wait before its next token is looked at; 0 if not at all."""
        times = self._failed.get(address, ())
        recent = [at for at in times if now - at < WITHIN_S]
        return 0.0 if len(recent) < FREE else recent[-FREE] + WITHIN_S - now

    def failed(self, address: str, now: float) -> None:
        """A token of this address was wrong."""
        times = self._failed.pop(address, None) or deque(maxlen=FREE)
        times.append(now)
        while len(self._failed) >= ADDRESSES:
            del self._failed[next(iter(self._failed))]
        self._failed[address] = times

    def succeeded(self, address: str) -> None:
        """A token of this address was right."""
        self._failed.pop(address, None)
