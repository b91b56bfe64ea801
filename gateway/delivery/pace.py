"""The pace of delivery to a sink: the wait after a failure, the size of a batch. Pure."""

import random
from collections.abc import Callable

from gateway.api.contracts import SinkUnavailable
from gateway.core.backoff import Backoff

FIRST_ROWS = 1_000
MAX_ROWS = 8_000
MIN_ROWS = 100
SLOW_S, FAST_S = 1.0, 0.5
"""A batch that takes longer than SLOW_S is halved, one that takes less than FAST_S doubled."""
LONGEST_WAIT_S = 600.0
"""The longest wait that a server may ask for."""


class Pace:
    """The wait after a failure and the number of points in a batch, adapted to the link. Pure."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._away = Backoff(first=0.5, cap=5.0, draw=draw)
        self._human = Backoff(first=5.0, cap=60.0, draw=draw)
        self._draw = draw
        self.rows = FIRST_ROWS

    def after_failure(self, error: SinkUnavailable) -> float:
        """The seconds to wait before the next attempt.

        At least the time that the server asked for, plus up to a tenth of it, so that gateways with
        the same wait do not return all at once. Batches shrink, because over a bad link a small one
        may arrive where a big one times out.
        """
        self.rows = max(MIN_ROWS, self.rows // 2)
        backoff = self._human if error.needs_human else self._away
        asked = min(error.wait, LONGEST_WAIT_S) * (1 + 0.1 * self._draw())
        return max(asked, backoff.next())

    def after_success(self, rows: int, took: float) -> None:
        """Resets the back-off and adapts the batch to the link; it took `took` seconds."""
        if took < FAST_S and rows >= self.rows:
            self.rows = min(MAX_ROWS, self.rows * 2)
        elif took > SLOW_S:
            self.rows = max(MIN_ROWS, self.rows // 2)
        self._away.reset()
        self._human.reset()

    def after_rejection(self, took: float) -> None:
        """Shrinks batches if finding the wrong points took long, because alerts must not wait."""
        if took > FAST_S:
            self.rows = MIN_ROWS
        self._away.reset()
        self._human.reset()
