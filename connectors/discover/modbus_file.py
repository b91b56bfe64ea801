"""What a scan found, as a line file to edit (pure).

Promises
- `andon check` accepts it as it stands.
- Every range that answered is named; of more registers than are wanted, those that are not 0 come
  first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.discover.modbus import Scan, TableFound, UnitFound
from connectors.modbus.options import BIT_TABLES, ModbusOptions


class _Found(NamedTuple):
    """One register or bit that answered, and what stood in it."""

    unit: int
    table: str
    address: int
    value: int


def line_file(place: Mapping[str, Any], scan: Scan, most: int) -> str:
    """`place` is how to get there, as a line file says it; at most `most` tags."""
    units = [unit for unit in scan.units if any(table.search.found for table in unit.tables)]
    note = f" {scan.note}" if scan.note else ""
    found = [point for unit in units for point in _points(unit)]
    wanted = set(sorted(found, key=lambda point: point.value == 0)[:most])
    first = units[0].unit
    left_out = f" The first {most:,} of {len(found):,}." if len(found) > most else ""
    options = "".join(f"    {name}: {json.dumps(v)}\n" for name, v in place.items() if v != "tcp")
    tags = "\n".join(_tag(point, first, len(units) > 1) for point in found if point in wanted)
    return f"""\
# What `andon discover modbus` found.{note}
{_said(units)}#
# `andon peek` shows registers in all types and orders. Merge those of wide values, give the tags
# names, units, low and high, and delete what is not needed. The number behind a tag is what stood
# there.{left_out}
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


def _points(unit: UnitFound) -> Iterator[_Found]:
    for table in unit.tables:
        for found in table.search.found:
            for address in found:
                yield _Found(unit.unit, table.table, address, table.values.get(address, 0))


def _tag(point: _Found, first: int, are_several: bool) -> str:
    name = f"{point.table}_{point.address}"
    said = f"address: {point.address}"
    if point.table != "holding":
        said = f"table: {point.table}, {said}"
    if point.unit != first:
        said = f"unit_id: {point.unit}, {said}"
    return f"      {f'unit{point.unit}_' if are_several else ''}{name}: {{{said}}}  # {point.value}"


def _said(units: Sequence[UnitFound]) -> str:
    lines = []
    for unit in units:
        lines.append(f"# Unit {unit.unit}" + (f": {unit.says}" if unit.says else ""))
        lines += [f"#   {t.table} {_ranges(t)}" for t in unit.tables if t.search.found]
    return "".join(f"{line}\n" for line in lines)


def _ranges(table: TableFound) -> str:
    return ", ".join(f"{found.start}..{found.stop - 1}" for found in table.search.found)


def _limits(units: Sequence[UnitFound]) -> str:
    """What the device gives in one answer, where that is less than usual."""
    lines = []
    for option, are_bits in (("max_registers", False), ("max_bits", True)):
        given = [
            table.search.most
            for unit in units
            for table in unit.tables
            if (table.table in BIT_TABLES) is are_bits
        ]
        usual = ModbusOptions.model_fields[option].default
        if given and min(given) < usual:
            lines.append(f"    {option}: {min(given)}\n")
    return "".join(lines)
