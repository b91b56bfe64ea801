"""From columns of text to numbers.

Promises
- The decimal separator follows from all cells of the file, not from its first row.
- What is not a number is missing, counted and named.
- A unit behind the numbers is cut off and named.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import Floats, Indices
from gateway.history.delimited.cells import AROUND
from gateway.history.delimited.plain import are_missing, plain
from gateway.history.delimited.separators import (
    are_thousands,
    decimal_of,
    has_sure,
    separated,
    with_comma,
)  # fmt: skip
from gateway.history.delimited.units import Several, without_unit
from gateway.history.reading import SHOWN, Notes, count_of, quoted


class Numbers(NamedTuple):
    """Values float64[row], NaN where missing; None if the column holds words, with the reason."""

    values: Floats | None
    reason: str = ""


class _Cells(NamedTuple):
    """A column of text, without its unit, and as numbers where one of both readings fits all."""

    original: Any
    text: Any
    with_point: Floats | None
    with_comma: Floats | None


def numbers_of(
    columns: Mapping[str, Any], numbers: Indices, notes: Notes, decimal: str | None = None
) -> dict[str, Numbers]:
    """The numbers in columns of text, by name; `numbers` are those of the rows' lines.

    Without a `decimal` separator the cells decide it; ConfigError if they leave it open.
    """
    cells = {name: _cells(name, column, notes) for name, column in columns.items()}
    texts = [each for each in cells.values() if isinstance(each, _Cells)]
    if decimal is None:
        open_ones = [each.text for each in texts if each.with_point is None]
        decimal = decimal_of(open_ones, [each.text for each in texts], notes)
    return {
        name: Numbers(None, f"numbers in several units ({each.shown})")
        if isinstance(each, Several)
        else _told(name, _values(name, each, decimal, notes), each.original, numbers, notes)
        for name, each in cells.items()
    }


def _cells(name: str, column: Any, notes: Notes) -> _Cells | Several:
    from pyarrow import compute

    column = compute.utf8_trim(column, characters=AROUND)
    column = compute.replace_substring(column, "\u2212", "-")
    read = _Cells(column, column, plain(column), None)
    if read.with_point is None:
        read = read._replace(with_comma=with_comma(column))
    if read.with_point is not None or read.with_comma is not None:
        return read
    text = without_unit(name, column, notes)
    if text is column or isinstance(text, Several):
        return read if text is column else text
    return _Cells(column, text, plain(text), with_comma(text))


def _values(name: str, cells: _Cells, decimal: str, notes: Notes) -> Floats:
    """The numbers of a column by the file's separator, or by its own where that is sure."""
    text = cells.text
    if cells.with_point is not None and not (decimal == "," and are_thousands(text, ".")):
        return cells.with_point
    if cells.with_comma is not None and (decimal == "," or has_sure(text, ",")):
        return cells.with_comma
    return separated(name, text, decimal, notes)


def _told(name: str, values: Floats, original: Any, numbers: Indices, notes: Notes) -> Numbers:
    """The values, and a sentence about the cells that are not numbers."""
    from pyarrow import compute

    odd = np.isnan(values) & ~np.asarray(compute.equal(original, ""))
    if not odd.any():
        return Numbers(values)
    known = np.asarray(are_missing(original))
    words = odd & ~known
    if words.sum() > np.isfinite(values).sum():
        as_bits = _bits(original)
        return Numbers(as_bits) if as_bits is not None else Numbers(None, "hardly any numbers")
    rows = np.flatnonzero(odd)
    counts = compute.value_counts(original.take(rows)).to_pylist()
    counts.sort(key=lambda entry: -int(entry["counts"]))
    shown = ", ".join(
        f"{quoted(str(entry['values']), 30)} {_times(int(entry['counts']))}"
        for entry in counts[:SHOWN]
    )
    more = f" and {count_of(len(counts) - SHOWN, 'other text')}" if len(counts) > SHOWN else ""
    notes.say(
        f"column {name!r}: {count_of(len(rows), 'cell')} without a number, taken as missing: "
        f"{shown}{more} (first in {notes.unit} {numbers[rows[0]]})"
    )
    return Numbers(values)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _bits(column: Any) -> Floats | None:
    """1 and 0 for a column of true and false; None for any other."""
    from pyarrow import compute

    lower = compute.utf8_lower(column)
    is_true, is_false, missing = (
        np.asarray(mask) for mask in
        (compute.equal(lower, "true"), compute.equal(lower, "false"), are_missing(column))
    )  # fmt: skip
    if not (is_true | is_false | missing).all():
        return None
    return np.where(is_true, 1.0, np.where(is_false, 0.0, np.nan))
