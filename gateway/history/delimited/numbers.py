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
from gateway.history.delimited.cells import AROUND, MISSING
from gateway.history.reading import SHOWN, Notes, count_of, quoted

_SIGN = r"^[+-]?"
_EXPONENT = r"(?:[eE][+-]?\d+)?$"
_THOUSANDS = r"\d{1,3}(?:[ '\x{00A0}\x{202F}\x{2019}]\d{3})+"
_UNIT = (
    r"^(?P<number>[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?)\s*(?P<unit>[^\d\s.,+'\x{2019}-]\S{0,15})$"
)
_SURE = {
    # A separator that cannot be one of thousands: not three digits behind it, or four before it.
    ".": rf"{_SIGN}(?:\d*\.(?:\d{{0,2}}|\d{{4,}})|\d{{4,}}\.\d*|0\.\d*|\d{{1,3}}(?:,\d{{3}})+\.\d+)"
    rf"{_EXPONENT}",
    ",": rf"{_SIGN}(?:\d*,(?:\d{{0,2}}|\d{{4,}})|\d{{4,}},\d*|0,\d*|\d{{1,3}}(?:\.\d{{3}})+,\d+)"
    rf"{_EXPONENT}",
}
_OPEN = {mark: rf"{_SIGN}\d{{1,3}}(?:[{mark}]\d{{3}})+$" for mark in ".,"}
"""A number whose separator may be either: 12.345."""
_MOST_UNITS = 0.05
"""Share of cells with another unit from which a column has no unit of its own."""


class Numbers(NamedTuple):
    """Values float64[row], NaN where missing; None if the column holds words, with the reason."""

    values: Floats | None
    reason: str = ""


def numbers_of(
    columns: Mapping[str, Any], numbers: Indices, notes: Notes, decimal: str | None = None
) -> dict[str, Numbers]:
    """The numbers in columns of text, by name; `numbers` are those of the rows' lines.

    Without a `decimal` separator the cells decide it; ConfigError if they leave it open.
    """
    cleaned = {name: _cleaned(column) for name, column in columns.items()}
    plain = {name: _plain(column) for name, column in cleaned.items()}
    others = {name: _without_unit(name, cleaned[name], notes)
              for name, values in plain.items() if values is None}  # fmt: skip
    decimal = decimal or _decimal(cleaned, plain, others, notes)
    found = {}
    for name, column in cleaned.items():
        if isinstance(given := others.get(name), Numbers):
            found[name] = given
            continue
        if plain[name] is not None and not (decimal == "," and _are_thousands(column, ".")):
            found[name] = _told(name, plain[name], column, column, numbers, notes)
            continue
        text = column if given is None else given
        found[name] = _separated(name, text, column, decimal, numbers, notes)
    return found


def _cleaned(column: Any) -> Any:
    from pyarrow import compute

    column = compute.utf8_trim(column, characters=AROUND)
    return compute.replace_substring(column, "\u2212", "-")


def _is_missing(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    known = pa.array(sorted(MISSING), pa.string())
    return compute.is_in(compute.utf8_lower(column), value_set=known)


def _plain(column: Any) -> Floats | None:
    """The numbers of a column that holds nothing else but missing values; None otherwise."""
    import pyarrow as pa
    from pyarrow import compute

    try:
        return _floats(compute.if_else(compute.equal(column, ""), None, column))
    except pa.ArrowInvalid:
        pass
    try:
        return _floats(compute.if_else(_is_missing(column), None, column))
    except pa.ArrowInvalid:
        return None


def _floats(column: Any) -> Floats:
    import pyarrow as pa

    values = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    values[~np.isfinite(values)] = np.nan
    return values


def _without_unit(name: str, column: Any, notes: Notes) -> Any:
    """The column with its unit cut off; Numbers without values if it has several."""
    from pyarrow import compute

    parts = compute.extract_regex(column, _UNIT)
    # The power of ten in 2e-1 has the form of a unit, too.
    has_unit = compute.and_(
        parts.is_valid(),
        compute.invert(compute.match_substring_regex(parts.field(1), r"^[eE][+-]?\d+$")),
    )
    units = parts.filter(has_unit).field(1)
    if len(units) * 2 <= len(column) - int(np.count_nonzero(np.asarray(_is_missing(column)))):
        return column
    counts = {str(entry["values"]): int(entry["counts"])
              for entry in compute.value_counts(units).to_pylist()}  # fmt: skip
    most = max(counts, key=lambda unit: counts[unit])
    if len(units) - counts[most] > _MOST_UNITS * len(units):
        several = ", ".join(sorted(counts)[:SHOWN])
        return Numbers(None, f"numbers in several units ({several})")
    notes.say(f"column {name!r}: the unit {most!r} behind its numbers is cut off")
    return compute.if_else(
        compute.and_(has_unit, compute.equal(parts.field(1), most)),
        parts.field(0), column,
    )  # fmt: skip


def _decimal(
    cleaned: Mapping[str, Any],
    plain: Mapping[str, Floats | None],
    others: Mapping[str, Any],
    notes: Notes,
) -> str:
    """The decimal separator of the file: '.' or ','."""
    texts = [text for text in others.values() if not isinstance(text, Numbers)]
    if not texts and not any(_matches(column, r"\.\d{3}\.") for column in cleaned.values()):
        return "."
    whole = [column for name, column in cleaned.items() if plain[name] is not None]
    commas = sum(_matches(text, _SURE[","]) for text in texts)
    points = sum(_matches(text, _SURE["."]) for text in (*texts, *whole))
    if commas != points:
        return "," if commas > points else "."
    comma = next((found for text in texts if (found := _first(text, _OPEN[","]))), None)
    if comma is None:
        return "."
    point = next((found for text in (*texts, *whole) if (found := _first(text, _OPEN["."]))), None)
    if point is not None:
        raise notes.refuse(
            f"which is the decimal separator is open, with numbers such as {point!r} and "
            f"{comma!r}: give --decimal . or --decimal ,"
        )
    notes.say(f"numbers such as {comma!r} are read with a decimal comma (--decimal . if not)")
    return ","


def _first(column: Any, pattern: str) -> str | None:
    """The first cell that matches; None if there is none."""
    from pyarrow import compute

    index = compute.index(compute.match_substring_regex(column, pattern), True).as_py()
    return None if index < 0 else str(column[index].as_py())


def _matches(column: Any, pattern: str) -> int:
    from pyarrow import compute

    return int(compute.sum(compute.match_substring_regex(column, pattern)).as_py() or 0)


def _are_thousands(column: Any, mark: str) -> bool:
    """Whether all separators in a column set thousands apart."""
    marked = int(_matches(column, rf"\d[{mark}]\d"))
    return marked > 0 and _matches(column, _OPEN[mark]) == marked


def _separated(
    name: str, text: Any, original: Any, decimal: str, numbers: Indices, notes: Notes
) -> Numbers:
    """The numbers of a column whose separators are not those of the machine."""
    from pyarrow import compute

    other = "." if decimal == "," else ","
    own_comma, own_point = _matches(text, _SURE[","]), _matches(text, _SURE["."])
    if own_comma and own_point:
        notes.say(f"column {name!r}: numbers with a decimal comma and with a decimal point")
    elif own_comma or own_point:
        decimal = "," if own_comma else "."
        other = "." if decimal == "," else ","
    text = compute.if_else(
        compute.match_substring_regex(text, rf"{_SIGN}{_THOUSANDS}(?:[.,]\d+)?{_EXPONENT}"),
        compute.replace_substring_regex(text, r"[ '\x{00A0}\x{202F}\x{2019}]", ""), text,
    )  # fmt: skip
    grouped = rf"{_SIGN}\d{{1,3}}(?:[{other}]\d{{3}})+(?:[{decimal}]\d*)?{_EXPONENT}"
    if _matches(text, grouped):
        notes.say(f"column {name!r}: {other!r} is read as the separator of thousands")
    text = compute.if_else(
        compute.match_substring_regex(text, grouped),
        compute.replace_substring(text, other, ""), text,
    )  # fmt: skip
    text = compute.replace_substring(text, ",", ".")
    return _told(name, _matching(text), text, original, numbers, notes)


def _matching(text: Any) -> Floats:
    from pyarrow import compute

    fits = compute.match_substring_regex(text, rf"{_SIGN}(?:\d+\.?\d*|\.\d+){_EXPONENT}")
    # The cast does not take a leading plus.
    return _floats(compute.replace_substring_regex(compute.if_else(fits, text, None), r"^\+", ""))


def _told(
    name: str, values: Floats | None, text: Any, original: Any, numbers: Indices, notes: Notes
) -> Numbers:
    """The values, and a sentence about the cells that are not numbers."""
    from pyarrow import compute

    if values is None:
        values = _matching(text)
    odd = np.isnan(values) & ~np.asarray(compute.equal(original, ""))
    if not odd.any():
        return Numbers(values)
    known = np.asarray(_is_missing(original))
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
        (compute.equal(lower, "true"), compute.equal(lower, "false"), _is_missing(column))
    )  # fmt: skip
    if not (is_true | is_false | missing).all():
        return None
    return np.where(is_true, 1.0, np.where(is_false, 0.0, np.nan))
