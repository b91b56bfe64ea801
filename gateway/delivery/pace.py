"""How fast a sink is served: the wait after a failure, the size of a batch. Pure."""

import random
from collections.abc import Callable

from gateway.api.contracts import SinkUnavailable
from gateway.core.backoff import Backoff

FIRST_ROWS = 1_000
MAX_ROWS = 8_000
MIN_ROWS = 100
SLOW_S, FAST_S = 1.0, 0.5
"""A batch that takes longer than the one is halved, one that takes less than the other doubled."""
LONGEST_WAIT_S = 600.0
"""A server that asks for more is tried again after this all the same."""


class Pace:
    """How fast to go on: how long to wait after a failure, how much to send at once. Pure."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._away = Backoff(first=0.5, cap=5.0, draw=draw)
        self._human = Backoff(first=5.0, cap=60.0, draw=draw)
        self._draw = draw
        self.rows = FIRST_ROWS

    def after_failure(self, error: SinkUnavailable) -> float:
        """Seconds to leave the sink alone.

        What the server asked for is the least, with up to a tenth more so that gateways which
        were all told the same do not come back together. Batches shrink: over a bad link a small
        one may arrive where a big one times out.
        """
        self.rows = max(MIN_ROWS, self.rows // 2)
        backoff = self._human if error.needs_human else self._away
        asked = min(error.wait, LONGEST_WAIT_S) * (1 + 0.1 * self._draw())
        return max(asked, backoff.next())

    def after_success(self, rows: int, took: float) -> None:
        """The sink took so many, in `took` seconds: start over, and fit the batch to the link."""
        if took < FAST_S and rows >= self.rows:
            self.rows = min(MAX_ROWS, self.rows * 2)
        elif took > SLOW_S:
            self.rows = max(MIN_ROWS, self.rows // 2)
        self._away.reset()
        self._human.reset()

    def after_rejection(self) -> None:
        """Finding wrong lines takes many requests: small batches let alerts in between."""
        self.rows = MIN_ROWS
        self._away.reset()
        self._human.reset()
