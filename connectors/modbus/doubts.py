"""Units that may still owe the answer to a request that was given up (pure: time is an argument).

On RTU and ASCII a late answer looks exactly like the answer to the next request. Opening the line
anew does not help on a serial port: the device may answer after that.

Promises
- A unit that did not answer is next asked for something with another function code, whose answer
  cannot be mistaken for the late one. Units answer in order: once it has come, nothing is owed.
- Even "illegal function" is such an answer. For units that answer nothing at all to a function
  they do not have, the doubt ends after ten time-outs.
"""

from dataclasses import dataclass
from typing import get_args

from connectors.modbus.options import Table
from gateway.api.model import Nanos

TIMEOUTS = 10


@dataclass(slots=True)
class _Owed:
    table: Table | None
    since: Nanos
    tries: int = 0


class Doubts:
    """What is owed by unit; kept over the connections of one source."""

    def __init__(self, timeout: Nanos) -> None:
        self._patience = TIMEOUTS * timeout
        self._owed: dict[int, _Owed] = {}

    def asked(self, unit: int, table: Table | None, now: Nanos) -> None:
        """A request leaves, of no table when it asks who is there; or bytes came unasked."""
        self._owed[unit] = _Owed(table, now)

    def answered(self, unit: int) -> None:
        self._owed.pop(unit, None)

    def proof(self, unit: int, now: Nanos) -> Table | None:
        """What to ask first, to prove that nothing is owed any more; each time another table."""
        owed = self._owed.get(unit)
        if owed is None or now - owed.since > self._patience:
            return None
        others = [table for table in get_args(Table) if table != owed.table]
        owed.tries += 1
        choice: Table = others[(owed.tries - 1) % len(others)]
        return choice
