"""The server's clock, estimated from its messages (pure).

A value confirmed by a read gets the server's time, because its source times are by that clock too.
"""

from collections import deque

import numpy as np

from gateway.api.model import SECOND, Nanos

RECENT = 8
"""Messages that the estimate uses: a clock that was set is followed after this many."""


class ServerClock:
    """The offset of the server's clock from ours.

    A delayed message makes the server's clock look slow, so the least delayed of the recent
    messages is used.
    """

    def __init__(self) -> None:
        self._ahead: deque[Nanos] = deque(maxlen=RECENT)

    def note(self, sent: float, arrived: Nanos) -> None:
        """Records a message: the server's time in s since 1970 (NaN if it has none), ours in ns."""
        if not np.isnan(sent):
            self._ahead.append(round(sent * SECOND) - arrived)

    def at(self, ours: Nanos) -> Nanos:
        """The server's time at our time `ours`; the same before any message was recorded."""
        return ours + max(self._ahead, default=0)
