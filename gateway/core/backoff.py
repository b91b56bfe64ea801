"""How long to leave a thing alone after a failure: exponential with full jitter.

The formula is the "full jitter" of exponential back-off: uniform over [0, min(cap, first * 2^n)],
so that a hundred gateways do not come back in step. A floor keeps it from being a busy loop.
"""

import random
from collections.abc import Callable

FLOOR = 0.1


class Backoff:
    """Delays in seconds; `reset` after a success."""

    def __init__(self, first: float, cap: float, draw: Callable[[], float] = random.random) -> None:
        self._first, self._cap, self._draw = first, cap, draw
        self.failures = 0

    def next(self) -> float:
        """The delay after one more failure."""
        # The exponent is bounded: after days of failures 2.0**n would overflow.
        ceiling = min(self._cap, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return max(FLOOR, self._draw() * ceiling)

    def reset(self) -> None:
        """Forget the failures."""
        self.failures = 0
