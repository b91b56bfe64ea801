"""What is known of the other end of a bus, kept across its connections.

A unit's late and duplicate responses can outlive the connection they were requested on.
"""

from collections import deque
from typing import Any

from connectors.modbus.closings import Closings
from connectors.modbus.diagnostics import Diagnostics
from connectors.modbus.duplicate_responses import DuplicateResponses
from connectors.modbus.late_responses import LateResponses
from gateway.api.model import Nanos

_EARLIER = 64
"""Transaction numbers that are remembered."""


class Peer:
    """The device, or the gateway or serial server in front of several."""

    def __init__(self, where: str, timeout: Nanos) -> None:
        self.late = LateResponses(timeout)
        self.duplicates = DuplicateResponses(timeout)
        self.diagnostics = Diagnostics(where)
        self.closings = Closings()
        self.transactions: deque[int] = deque(maxlen=_EARLIER)
        """The numbers of the last requests."""
        self.wrong_number = ""
        """What was said of a wrong transaction number since the last response."""
        self._numbers: deque[int] = deque(maxlen=_EARLIER)

    def note_number(self, number: int) -> None:
        """Records a number that the device used instead of a request's."""
        if number not in self._numbers:
            self._numbers.append(number)

    def leave_out(self, context: Any) -> None:
        """Skips numbers that the device uses: ours would be taken for an earlier request's."""
        while context.next_tid + 1 in self._numbers:
            context.next_tid += 1
