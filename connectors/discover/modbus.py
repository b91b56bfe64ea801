"""Looks for Modbus units, and for the tables and addresses that they have.

Promises
- Only reads: function codes 1 to 4, and 43/14 for what a device says of itself.
- One request at a time, a pause after each, and never more requests than allowed; what was found
  until then is kept.
- A table whose function a unit does not have costs one request. A unit that is silent about
  addresses it does not have, instead of refusing them, is left after three time-outs in a row.
"""

import asyncio
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
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND

ALIKE = 8
"""Units that answer, all that were asked: over TCP the device then does not look at the unit id."""
SILENCES = 3
_NO_FUNCTION = 1
_NO_UNIT = (4, 10, 11)
"""What gateways answer for a unit that is not there: a failure, no path, no answer."""


class EnoughAsked(Exception):  # noqa: N818 - the limit is the user's wish, not an error
    """As many requests were sent as are allowed."""


@dataclass
class TableFound:
    """The ranges of addresses that answered, what stood there, and the most that one answer had."""

    table: Table
    search: Search
    values: dict[int, int] = field(default_factory=dict)


@dataclass
class UnitFound:
    """One unit: what it says of itself, and its tables."""

    unit: int
    says: str = ""
    tables: list[TableFound] = field(default_factory=list)


class Scan:
    """One way to devices being looked at; `units` holds what was found so far."""

    def __init__(self, bus: Bus, limit: int, say: Callable[[str], None]) -> None:
        self.units: list[UnitFound] = []
        self.asked = 0
        self.note = ""
        self._bus, self._limit, self._say = bus, limit, say

    @property
    def has_found(self) -> bool:
        """Some address answered."""
        return any(table.search.found for unit in self.units for table in unit.tables)

    async def run(self, units: Sequence[int]) -> None:
        """Look for all of it; EnoughAsked or SourceLost end it early."""
        async with self._bus.joined():
            await self._find(units)
            for unit in self.units:
                self._count()
                unit.says = await self._identify(unit.unit)
                for table in get_args(Table):
                    await self._look_at(unit, table)

    async def _find(self, units: Sequence[int]) -> None:
        for unit in units:
            self._say(f"is there a unit {unit}?")
            pdu = await self._read(unit, "holding", 0, 1)
            if pdu and not (pdu[0] & 0x80 and pdu[1] in _NO_UNIT):
                self.units.append(UnitFound(unit))
        is_tagged = self._bus.options.transport not in UNTAGGED
        if is_tagged and len(units) > ALIKE and len(self.units) == len(units):
            self.note = "It answers to every unit id, so only the first was looked at."
            del self.units[1:]

    async def _identify(self, unit: int) -> str:
        try:
            return identification((await self._bus.identify(unit)).pdu)
        except UnitSilent:
            return ""

    async def _look_at(self, unit: UnitFound, table: Table) -> None:
        most, longest = (2000, 4000) if table in BIT_TABLES else (125, 2000)
        found = TableFound(table, Search(most, longest))
        unit.tables.append(found)
        steps, silences = found.search.steps(), 0
        is_answered: bool | None = None
        while silences < SILENCES:
            try:
                address, count = steps.send(is_answered)
            except StopIteration:
                return
            self._say(f"unit {unit.unit}, {table} {address}..{address + count - 1}")
            pdu = await self._read(unit.unit, table, address, count)
            silences = 0 if pdu else silences + 1
            if pdu[1:] == bytes((_NO_FUNCTION,)):
                return
            data = check_response(_request(unit.unit, table, address, count), pdu).data
            is_answered = bool(data)
            places = range(address, address + count)
            # Bits come in whole bytes: more than were asked for.
            found.values |= dict(zip(places, _numbers(table, data), strict=False))

    async def _read(self, unit: int, table: Table, address: int, count: int) -> bytes:
        """The answer's function code and what follows; empty if there is none."""
        self._count()
        try:
            return (await self._bus.read(_request(unit, table, address, count))).pdu
        except UnitSilent:
            return b""

    def _count(self) -> None:
        if self.asked >= self._limit:
            raise EnoughAsked
        self.asked += 1


def scanned(options: ModbusConnectionOptions, units: Sequence[int], limit: int) -> Scan:
    """Scan with its progress on a terminal; whatever ends it, what was found until then is kept."""
    with Console(stderr=True).status("connecting") as status:
        scan = Scan(Bus(options, Path.cwd()), limit, lambda text: status.update(escape(text)))
        try:
            asyncio.run(scan.run(units))
        except EnoughAsked:
            scan.note = f"The search ended after {limit:,} requests; --requests allows more."
        except KeyboardInterrupt:
            scan.note = "The search was interrupted."
        except SourceLost as lost:
            scan.note = f"The search ended early: {lost}."
    return scan


def units_of(text: str, transport: Transport) -> list[int]:
    """'1-3,255' -> [1, 2, 3, 255]; ValueError with what would be right."""
    least, last = (1, 247) if transport in UNTAGGED else (0, 255)
    units: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part, re.ASCII)
        if not match:
            raise ValueError(f"{part!r} is no unit id: write them as in 1-20,255")
        units |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not units or min(units) < least or max(units) > last:
        raise ValueError(f"unit ids go from {least} to {last} here")
    return sorted(units)


def _request(unit: int, table: Table, address: int, count: int) -> Request:
    return Request(unit, table, address, count, SECOND, ())


def _numbers(table: Table, data: bytes) -> Iterable[int]:
    if table in BIT_TABLES:
        return [byte >> bit & 1 for byte in data for bit in range(8)]
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
