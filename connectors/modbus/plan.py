"""From tags to requests: which registers are read together (pure).

Promises
- Every tag is in exactly one request, and the whole of its value is: a wide value is never put
  together from two answers.
- Requests hold to the limits of the device, and never mix units, tables or periods.
- Only function codes 1 to 4 exist here: coils, discrete inputs, holding and input registers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from connectors.modbus.options import BIT_TABLES, ModbusOptions, Table
from connectors.modbus.registers import Decoder, Encoding, Place
from gateway.api.model import Nanos

FUNCTIONS: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one tag wants from the device; `tag` is its index among the connector's tags."""

    tag: int
    unit: int
    table: Table
    address: int
    period: Nanos
    encoding: Encoding

    @property
    def end(self) -> int:
        """The first register, or bit, after the value."""
        return self.address + (1 if self.table in BIT_TABLES else self.encoding.words)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may span: registers, bits, and what may lie idle between two tags."""

    registers: int = 125
    bits: int = 2000
    gap: int = 8

    def span_of(self, table: Table) -> int:
        return self.bits if table in BIT_TABLES else self.registers

    def gap_of(self, table: Table) -> int:
        return 16 * self.gap if table in BIT_TABLES else self.gap


@dataclass(frozen=True, eq=False)
class Request:
    """One read of `count` registers or bits from `address` on, and the tags it serves."""

    unit: int
    table: Table
    address: int
    count: int
    period: Nanos
    readings: tuple[Reading, ...]

    @property
    def function(self) -> int:
        return FUNCTIONS[self.table]

    @property
    def are_bits(self) -> bool:
        return self.table in BIT_TABLES

    @property
    def data_bytes(self) -> int:
        """Bytes of values in the right answer."""
        return (self.count + 7) // 8 if self.are_bits else 2 * self.count

    @property
    def idle(self) -> int:
        """Registers (or bits) that are read for nothing."""
        wanted = {at for reading in self.readings for at in range(reading.address, reading.end)}
        return self.count - len(wanted)

    @cached_property
    def decoder(self) -> Decoder:
        places = [Place(r.tag, r.address - self.address, r.encoding) for r in self.readings]
        return Decoder(places, are_bits=self.are_bits)

    def halves(self) -> tuple["Request", ...]:
        """The same tags in two requests, parted at the widest gap, else in the middle.

        Empty when it cannot be parted because all its tags share registers.
        """
        cuts = _cuts(self.readings)
        if not cuts:
            return ()
        middle = len(self.readings) / 2
        cut = max(cuts, key=lambda at: (cuts[at], -abs(at - middle)))
        return _request(self.readings[:cut]), _request(self.readings[cut:])

    def __str__(self) -> str:
        """As an operator knows it: 'unit 1 holding 0..19'."""
        return f"unit {self.unit} {self.table} {self.address}..{self.address + self.count - 1}"


def readings_of(options: ModbusOptions) -> list[Reading]:
    """The tags of a source in the file's order, with the source's defaults filled in."""
    return [
        Reading(
            tag=index,
            unit=options.unit_of(tag),
            table=tag.table,
            address=tag.address,
            period=tag.period or options.period,
            encoding=tag.encoding(options.byte_order, options.word_order),
        )
        for index, tag in enumerate(options.tags.values())
    ]


def make_plan(readings: Iterable[Reading], limits: Limits) -> list[Request]:
    """As few requests as the limits allow: in order of period, unit, table and address."""
    ordered = sorted(readings, key=lambda r: (*_kind(r), r.address, r.end))
    return [
        _request(run)
        for (_, _, table), members in groupby(ordered, key=_kind)
        for run in _runs(list(members), limits.span_of(table), limits.gap_of(table))
    ]


def _kind(reading: Reading) -> tuple[Nanos, int, Table]:
    return reading.period, reading.unit, reading.table


def _runs(readings: Sequence[Reading], span: int, gap: int) -> list[list[Reading]]:
    """Cut readings that are sorted by address wherever a limit would be broken."""
    runs: list[list[Reading]] = []
    end = 0
    for reading in readings:
        is_near = bool(runs) and reading.address - end <= gap
        if is_near and max(end, reading.end) - runs[-1][0].address <= span:
            runs[-1].append(reading)
            end = max(end, reading.end)
        else:
            runs.append([reading])
            end = reading.end
    return runs


def _request(readings: Sequence[Reading]) -> Request:
    first, end = readings[0], max(reading.end for reading in readings)
    return Request(
        unit=first.unit,
        table=first.table,
        address=first.address,
        count=end - first.address,
        period=first.period,
        readings=tuple(readings),
    )


def _cuts(readings: Sequence[Reading]) -> dict[int, int]:
    """Where readings may be parted without sharing a register, with the gap that lies there."""
    cuts: dict[int, int] = {}
    end = readings[0].end
    for index, reading in enumerate(readings[1:], start=1):
        if reading.address >= end:
            cuts[index] = reading.address - end
        end = max(end, reading.end)
    return cuts
