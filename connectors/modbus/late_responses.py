"""Units that may still send the response to an abandoned request (pure: time is an argument).

On RTU and ASCII a late response looks exactly like the response to the next request. Reopening a
serial port does not help: the device may respond after that.

Promises
- A unit that did not respond is flushed first: it is sent a request with another function code,
  whose response cannot be mistaken for the late one. Units respond in order: once that response has
  arrived, nothing is outstanding.
- Even "illegal function" is such a response. For units that send nothing at all to a function
  they do not have, a late response is no longer expected after ten time-outs.
"""

from dataclasses import dataclass
from typing import get_args

from connectors.modbus.options import Table
from gateway.api.model import Nanos

TIMEOUTS = 10


@dataclass(slots=True)
class _Outstanding:
    table: Table | None
    since: Nanos
    flushes: int = 0


class LateResponses:
    """The outstanding response of each unit; kept across the connections of one bus."""

    def __init__(self, timeout: Nanos) -> None:
        self._limit = TIMEOUTS * timeout
        self._outstanding: dict[int, _Outstanding] = {}

    def expect(self, unit: int, table: Table | None, now: Nanos) -> None:
        """A response may arrive: a request was sent (`table` None: identification) or bytes came
        without a request.
        """
        self._outstanding[unit] = _Outstanding(table, now)

    def received(self, unit: int) -> None:
        self._outstanding.pop(unit, None)

    def flush_table(self, unit: int, now: Nanos) -> Table | None:
        """The table to read first to flush a late response, a different one each time; or None."""
        outstanding = self._outstanding.get(unit)
        if outstanding is None or now - outstanding.since > self._limit:
            return None
        others = [table for table in get_args(Table) if table != outstanding.table]
        outstanding.flushes += 1
        choice: Table = others[(outstanding.flushes - 1) % len(others)]
        return choice
