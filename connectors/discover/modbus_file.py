"""The results of a Modbus scan as a line file to edit (pure).

Promises
- `andon check` accepts it unchanged.
- Every readable range is named; if there are more registers than wanted, those that are not 0 come
  first.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.discover import written
from connectors.discover.modbus import Scan, ScannedTable, ScannedUnit
from connectors.modbus.options import BIT_TABLES, ModbusOptions


class _Point(NamedTuple):
    """One readable register or bit, and its value."""

    unit: int
    table: str
    address: int
    value: int


def line_file(connection: Mapping[str, Any], scan: Scan, most: int) -> str:
    """The file with at most `most` tags; `connection` holds the settings of the connection."""
    units = [unit for unit in scan.units if any(table.search.ranges for table in unit.tables)]
    note = f" {scan.note}" if scan.note else ""
    points = [point for unit in units for point in _points(unit)]
    wanted = set(sorted(points, key=lambda point: point.value == 0)[:most])
    first = units[0].unit
    left_out = f" The first {most:,} of {len(points):,}." if len(points) > most else ""
    settings = ((name, value) for name, value in connection.items() if value != "tcp")
    options = "".join(f"    {name}: {written.value(value)}\n" for name, value in settings)
    tags = "\n".join(_tag(point, first, len(units) > 1) for point in points if point in wanted)
    return f"""\
# Written by `andon discover modbus`.{note}
{_comments(units)}#
# `andon peek` shows registers in all types and orders. Merge those of wide values, give the tags
# names, units, low and high, and delete what is not needed. The number after a tag is the value
# that was read.{left_out}
version: 1
line: my-line
site: my-plant
sources:
  device:
    type: modbus
{options}    unit_id: {first}
{_limits(units)}    tags:
{tags}
"""


def _points(unit: ScannedUnit) -> Iterator[_Point]:
    for table in unit.tables:
        for addresses in table.search.ranges:
            for address in addresses:
                yield _Point(unit.unit, table.table, address, table.values.get(address, 0))


def _tag(point: _Point, first: int, are_several: bool) -> str:
    name = f"{point.table}_{point.address}"
    options = f"address: {point.address}"
    if point.table != "holding":
        options = f"table: {point.table}, {options}"
    if point.unit != first:
        options = f"unit_id: {point.unit}, {options}"
    prefix = f"unit{point.unit}_" if are_several else ""
    return f"      {prefix}{name}: {{{options}}}  # {point.value}"


def _comments(units: Sequence[ScannedUnit]) -> str:
    rows = []
    for unit in units:
        identification = f": {unit.identification}" if unit.identification else ""
        rows.append(f"# Unit {unit.unit}{identification}")
        rows += [f"#   {t.table} {_ranges(t)}" for t in unit.tables if t.search.ranges]
    return "".join(f"{row}\n" for row in rows)


def _ranges(table: ScannedTable) -> str:
    return ", ".join(f"{each.start}..{each.stop - 1}" for each in table.search.ranges)


def _limits(units: Sequence[ScannedUnit]) -> str:
    """The device's response size, where it is less than the default."""
    rows = []
    for option, are_bits in (("max_registers", False), ("max_bits", True)):
        sizes = [
            table.search.most
            for unit in units
            for table in unit.tables
            if (table.table in BIT_TABLES) is are_bits
        ]
        default = ModbusOptions.model_fields[option].default
        if sizes and min(sizes) < default:
            rows.append(f"    {option}: {min(sizes)}\n")
    return "".join(rows)
