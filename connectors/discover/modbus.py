"""Scans for Modbus units, and for their tables and addresses.

Promises
- Read-only: function codes 1 to 4, and 43/14 for a device's identification.
- One request at a time, a pause after each, and never more requests than allowed; the results until
  then are kept.
- A table whose function a unit does not have costs one request. A unit that does not respond to
  missing addresses, instead of refusing them, is left after three time-outs in a row.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.markup import escape

from connectors.discover.ranges import Search
from connectors.modbus.bus import Bus
from connectors.modbus.client import UnitSilent
from connectors.modbus.connection import UNTAGGED, ModbusConnectionOptions, Transport
from connectors.modbus.identification import identification
from connectors.modbus.options import BIT_TABLES, Table
from connectors.modbus.plan import Request
from connectors.modbus.responses import check_response
from connectors.modbus.tolerance import with_hint
from connectors.modbus.wire import ModbusResponse
from gateway.api import event_loop
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND

MANY_UNITS = 8
"""If more units than this were tried over TCP and all respond, the device ignores the unit id."""
SILENCES = 3
_NO_FUNCTION = 1
_NO_UNIT = (4, 10, 11)
"""Exceptions of gateways for a missing unit: failure, no path, no response."""


class RequestLimitReached(Exception):  # noqa: N818 - the limit is the user's choice, not an error
    """The allowed number of requests was sent."""


@dataclass
class ScannedTable:
    """One table: the search for its address ranges, and the values read."""

    table: Table
    search: Search
    values: dict[int, int] = field(default_factory=dict)


@dataclass
class ScannedUnit:
    """One unit: its identification and its tables."""

    unit: int
    identification: str = ""
    tables: list[ScannedTable] = field(default_factory=list)


class Scan:
    """A scan of one bus; `units` holds the results so far, `note` why it ended early.

    `oddity` is the first thing that came instead of a valid response.
    """

    def __init__(self, bus: Bus, limit: int, progress: Callable[[str], None]) -> None:
        self.units: list[ScannedUnit] = []
        self.requests = 0
        self.note = ""
        self.oddity = ""
        self._bus, self._limit, self._progress = bus, limit, progress

    @property
    def has_responses(self) -> bool:
        """Some address could be read."""
        return any(table.search.ranges for unit in self.units for table in unit.tables)

    async def run(self, units: Sequence[int]) -> None:
        """Scans these units; RequestLimitReached or SourceLost end it early."""
        async with self._bus.joined():
            await self._find_units(units)
            for unit in self.units:
                self._count()
                unit.identification = await self._identify(unit.unit)
                for table in get_args(Table):
                    await self._scan_table(unit, table)

    async def _find_units(self, units: Sequence[int]) -> None:
        for unit in units:
            self._progress(f"trying unit {unit}")
            pdu = (await self._read(unit, "holding", 0, 1)).pdu
            if pdu and not (pdu[0] & 0x80 and pdu[1] in _NO_UNIT):
                self.units.append(ScannedUnit(unit))
        is_tagged = self._bus.options.transport not in UNTAGGED
        if is_tagged and len(units) > MANY_UNITS and len(self.units) == len(units):
            self.note = "It responds to every unit id, so only the first was scanned."
            del self.units[1:]

    async def _identify(self, unit: int) -> str:
        try:
            return identification((await self._bus.identify(unit)).pdu)
        except UnitSilent:
            return ""

    async def _scan_table(self, unit: ScannedUnit, table: Table) -> None:
        most, longest = (2000, 4000) if table in BIT_TABLES else (125, 2000)
        scanned = ScannedTable(table, Search(most, longest))
        unit.tables.append(scanned)
        steps, silences = scanned.search.steps(), 0
        is_readable: bool | None = None
        while silences < SILENCES:
            try:
                address, count = steps.send(is_readable)
            except StopIteration:
                return
            self._progress(f"unit {unit.unit}, {table} {address}..{address + count - 1}")
            response = await self._read(unit.unit, table, address, count)
            silences = 0 if response.pdu else silences + 1
            if response.pdu[1:] == bytes((_NO_FUNCTION,)):
                return
            request = _request(unit.unit, table, address, count)
            data = check_response(request, response).data
            is_readable = bool(data)
            addresses = range(address, address + count)
            # Bits come in whole bytes: more than were requested.
            scanned.values |= dict(zip(addresses, _numbers(table, data), strict=False))

    async def _read(self, unit: int, table: Table, address: int, count: int) -> ModbusResponse:
        """The response; an empty one without a valid response."""
        self._count()
        try:
            response = await self._bus.read(_request(unit, table, address, count))
        except UnitSilent as silent:
            if silent.is_odd:
                self.oddity = self.oddity or silent.reason
            return ModbusResponse(b"")
        if response.why:
            self.oddity = self.oddity or with_hint(response.why, response.option)
        return response

    def _count(self) -> None:
        if self.requests >= self._limit:
            raise RequestLimitReached
        self.requests += 1


def run_scan(options: ModbusConnectionOptions, units: Sequence[int], limit: int) -> Scan:
    """Scans with progress on a terminal; whatever ends it, the results until then are kept."""
    with Console(stderr=True).status("connecting") as status:
        scan = Scan(Bus(options, Path.cwd()), limit, lambda text: status.update(escape(text)))
        try:
            event_loop.run(scan.run(units))
        except RequestLimitReached:
            scan.note = f"The scan ended after {limit:,} requests; --requests allows more."
        except KeyboardInterrupt:
            scan.note = "The scan was interrupted."
        except SourceLost as lost:
            scan.note = f"The scan ended early: {lost}."
    return scan


def units_of(text: str, transport: Transport) -> list[int]:
    """'1-3,255' -> [1, 2, 3, 255]; ValueError with what would be right."""
    least, last = (1, 247) if transport in UNTAGGED else (0, 255)
    units: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part, re.ASCII)
        if not match:
            raise ValueError(f"{part!r} is not a unit id: write them as in 1-20,255")
        units |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not units or min(units) < least or max(units) > last:
        raise ValueError(f"unit ids are from {least} to {last} here")
    return sorted(units)


def _request(unit: int, table: Table, address: int, count: int) -> Request:
    return Request(unit, table, address, count, SECOND, ())


def _numbers(table: Table, data: bytes) -> Iterable[int]:
    if table in BIT_TABLES:
        return [byte >> bit & 1 for byte in data for bit in range(8)]
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
