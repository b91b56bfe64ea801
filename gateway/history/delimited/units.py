"""Units behind the numbers of a column: '21.5 °C'."""

from typing import Any, NamedTuple

import numpy as np

from gateway.history.delimited.plain import are_missing
from gateway.history.reading import SHOWN, Notes

_UNIT = (
    r"^(?P<number>[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?)[\s\pZ]*"
    r"(?P<unit>[^\d\s\pZ.,:;/=+'\x{2019}-][^\s\pZ]{0,15})$"
)
_MOST_OTHERS = 0.05
"""Share of cells with another unit from which a column has no unit of its own."""


class Several(NamedTuple):
    """The units of a column that has more than one."""

    shown: str


def without_unit(name: str, column: Any, notes: Notes) -> Any:
    """The column with its unit cut off, the same if it has none, or Several."""
    from pyarrow import compute

    parts = compute.extract_regex(column, _UNIT)
    # The power of ten in 2e-1 and the digits of 0x1F have the form of a unit, too.
    has_unit = compute.and_(
        parts.is_valid(),
        compute.invert(
            compute.match_substring_regex(parts.field(1), r"^(?:[eE][+-]?\d*|[xX][0-9a-fA-F]+)$")
        ),
    )
    units = parts.filter(has_unit).field(1)
    if len(units) * 2 <= len(column) - int(np.count_nonzero(np.asarray(are_missing(column)))):
        return column
    counts = {
        str(entry["values"]): int(entry["counts"])
        for entry in compute.value_counts(units).to_pylist()
    }
    most = max(counts, key=lambda unit: counts[unit])
    if len(units) - counts[most] > _MOST_OTHERS * len(units):
        return Several(", ".join(sorted(counts)[:SHOWN]))
    notes.say(f"column {name!r}: the unit {most!r} behind its numbers is cut off")
    is_of_unit = compute.and_(has_unit, compute.equal(parts.field(1), most))
    return compute.if_else(is_of_unit, parts.field(0), column)
