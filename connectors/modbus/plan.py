"""From tags to requests: which registers are read together (pure).

Promises
- Every tag is in exactly one request, with its whole value and the register that holds its power of
  ten: a value is never assembled from two responses.
- Requests respect the limits of the device, and never mix units, tables or periods.
- Only function codes 1 to 4 exist here: coils, discrete inputs, holding and input registers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from connectors.modbus.options import BIT_TABLES, ModbusOptions, Table
from connectors.modbus.registers import Decoder, Encoding, ResponseField
from gateway.api.model import Nanos

FUNCTIONS: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


@dataclass(frozen=True, slots=True)
class PolledTag:
    """Where and how often one tag is read; `tag` is its index among the connector's tags."""

    tag: int
    unit: int
    table: Table
    address: int
    period: Nanos
    encoding: Encoding

    @property
    def start(self) -> int:
        """The first register, or bit, of the value and of its power of ten."""
        scale = self.encoding.scale_register
        return self.address if scale is None else min(self.address, scale)

    @property
    def end(self) -> int:
        """The first register, or bit, after the value and its power of ten."""
        end = self.address + (1 if self.table in BIT_TABLES else self.encoding.words)
        scale = self.encoding.scale_register
        return end if scale is None else max(end, scale + 1)

    @property
    def addresses(self) -> set[int]:
        """The registers, or the bit, that are used."""
        words = 1 if self.table in BIT_TABLES else self.encoding.words
        scale = self.encoding.scale_register
        own = set(range(self.address, self.address + words))
        return own if scale is None else own | {scale}


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The largest span of one request in registers or bits, and the largest unused gap in it."""

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
    tags: tuple[PolledTag, ...]

    @property
    def function(self) -> int:
        return FUNCTIONS[self.table]

    @property
    def are_bits(self) -> bool:
        return self.table in BIT_TABLES

    @property
    def data_bytes(self) -> int:
        """Bytes of values in the expected response."""
        return (self.count + 7) // 8 if self.are_bits else 2 * self.count

    @property
    def idle(self) -> int:
        """Registers (or bits) that are read but not used."""
        wanted = {at for tag in self.tags for at in tag.addresses}
        return self.count - len(wanted)

    @cached_property
    def decoder(self) -> Decoder:
        fields = [_field(tag, self.address) for tag in self.tags]
        return Decoder(fields, are_bits=self.are_bits)

    def halves(self) -> tuple["Request", ...]:
        """The same tags in two requests, split at the widest gap, else in the middle.

        Empty when it cannot be split because its tags share registers.
        """
        cuts = _cuts(self.tags)
        if not cuts:
            return ()
        middle = len(self.tags) / 2
        cut = max(cuts, key=lambda at: (cuts[at], -abs(at - middle)))
        return _request(self.tags[:cut]), _request(self.tags[cut:])

    def __str__(self) -> str:
        """As shown to operators: 'unit 1 holding 0..19'."""
        return f"unit {self.unit} {self.table} {self.address}..{self.address + self.count - 1}"


def polled_tags(options: ModbusOptions) -> list[PolledTag]:
    """The tags of a source in the line file's order, with the source's defaults filled in."""
    return [
        PolledTag(
            tag=index,
            unit=options.unit_of(tag),
            table=tag.table,
            address=tag.address,
            period=tag.period or options.period,
            encoding=tag.encoding(options.byte_order, options.word_order),
        )
        for index, tag in enumerate(options.tags.values())
    ]


def make_plan(tags: Iterable[PolledTag], limits: RequestLimits) -> list[Request]:
    """As few requests as the limits allow: in order of period, unit, table and address."""
    ordered = sorted(tags, key=lambda tag: (*_kind(tag), tag.start, tag.end))
    return [
        _request(run)
        for (_, _, table), members in groupby(ordered, key=_kind)
        for run in _runs(list(members), limits.span_of(table), limits.gap_of(table))
    ]


def _field(tag: PolledTag, first: int) -> ResponseField:
    """Where the tag is in a response that begins at register or bit `first`."""
    scale = tag.encoding.scale_register
    scale_offset = None if scale is None else scale - first
    return ResponseField(tag.tag, tag.address - first, tag.encoding, scale_offset)


def _kind(tag: PolledTag) -> tuple[Nanos, int, Table]:
    return tag.period, tag.unit, tag.table


def _runs(tags: Sequence[PolledTag], span: int, gap: int) -> list[list[PolledTag]]:
    """Cuts tags that are sorted by address wherever a limit would be exceeded."""
    runs: list[list[PolledTag]] = []
    end = 0
    for tag in tags:
        is_near = bool(runs) and tag.start - end <= gap
        if is_near and max(end, tag.end) - runs[-1][0].start <= span:
            runs[-1].append(tag)
            end = max(end, tag.end)
        else:
            runs.append([tag])
            end = tag.end
    return runs


def _request(tags: Sequence[PolledTag]) -> Request:
    first, end = tags[0], max(tag.end for tag in tags)
    return Request(
        unit=first.unit,
        table=first.table,
        address=first.start,
        count=end - first.start,
        period=first.period,
        tags=tuple(tags),
    )


def _cuts(tags: Sequence[PolledTag]) -> dict[int, int]:
    """Where tags can be split without sharing a register, with the gap there."""
    cuts: dict[int, int] = {}
    end = tags[0].end
    for index, tag in enumerate(tags[1:], start=1):
        if tag.start >= end:
            cuts[index] = tag.start - end
        end = max(end, tag.end)
    return cuts
