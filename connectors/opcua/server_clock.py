"""The server's clock, as far as its messages tell. Pure.

What a read confirms is as of the moment in which the server answered, by its own clock: its source
times are by that clock too.
"""

from collections import deque

import numpy as np

from gateway.api.model import SECOND, Nanos

RECENT = 8
"""Messages that are looked back on: a clock that was set is believed after as many."""


class ServerClock:
    """How far the server's clock is ahead of ours.

    A message that was long on its way makes the server look slow, so the one of the last few that
    came fastest is believed.
    """

    def __init__(self) -> None:
        self._ahead: deque[Nanos] = deque(maxlen=RECENT)

    def note(self, sent: float, arrived: Nanos) -> None:
        """A message with the server's time in s since 1970, NaN if it has none, and ours in ns."""
        if not np.isnan(sent):
            self._ahead.append(round(sent * SECOND) - arrived)

    def at(self, ours: Nanos) -> Nanos:
        """The server's time at this time of ours; the same before anything is known."""
        return ours + max(self._ahead, default=0)
