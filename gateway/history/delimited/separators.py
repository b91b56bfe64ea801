"""Separators of decimals and thousands.

A separator is sure if it cannot be one of thousands: 1.25, 1234.5 or 1,234.5. In 12.345 it is open.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.api.model import Floats
from gateway.history.delimited.plain import floats, plain
from gateway.history.reading import Notes

_SIGN = r"^[+-]?"
_EXPONENT = r"(?:[eE][+-]?\d+)?$"
_THOUSANDS = r"\d{1,3}(?:[ '\x{00A0}\x{2007}\x{2009}\x{202F}\x{2019}]\d{3})+"
_SURE = {
    # Not three digits behind the separator, or four before it, or another separator before.
    ".": rf"{_SIGN}(?:\d*\.(?:\d{{0,2}}|\d{{4,}})|\d{{4,}}\.\d*|0\.\d*|\d{{1,3}}(?:,\d{{3}})+\.\d+)"
    rf"{_EXPONENT}",
    ",": rf"{_SIGN}(?:\d*,(?:\d{{0,2}}|\d{{4,}})|\d{{4,}},\d*|0,\d*|\d{{1,3}}(?:\.\d{{3}})+,\d+)"
    rf"{_EXPONENT}",
}
_OPEN = {mark: rf"{_SIGN}\d{{1,3}}(?:[{mark}]\d{{3}})+$" for mark in ".,"}
_WHOLE = r"^-?[1-9]\d\d$"
_NEARER = 1000**0.5
"""Ratio of numbers without their mark to others, below which the mark sets thousands apart."""
_FIRST = 10_000
"""Rows in which evidence is sought before it is in all."""


def decimal_of(unread: Sequence[Any], columns: Sequence[Any], notes: Notes) -> str:
    """The decimal separator of a file with these columns, '.' or ','; ConfigError if it is open.

    `unread` are those of the columns that are not numbers with a point.
    """
    if not unread:
        return _point(columns, notes)
    commas = sum(has_sure(column, ",") for column in unread)
    points = sum(has_sure(column, ".") for column in columns)
    if commas or points:
        return "," if commas >= points else "."
    comma = next((found for each in unread if (found := _first(each, ",", _OPEN[","]))), None)
    if comma is None:
        return _point(columns, notes)
    point = next((found for each in columns if (found := _first(each, ".", _OPEN["."]))), None)
    if point is not None:
        raise notes.refuse(
            f"which is the decimal separator is open, with numbers such as {point!r} and "
            f"{comma!r}: give --decimal . or --decimal ,"
        )
    _check_whole(unread, ",", notes)
    notes.say(f"numbers such as {comma!r} are read with a decimal comma (--decimal . if not)")
    return ","


def _point(columns: Sequence[Any], notes: Notes) -> str:
    """A decimal point, which is said if it may set thousands apart in all cells that have one."""
    if not any(has_sure(column, ".") for column in columns):
        point = next((found for each in columns if (found := _first(each, ".", _OPEN["."]))), None)
        if point is not None:
            _check_whole(columns, ".", notes)
            notes.say(
                f"numbers such as {point!r} are read with a decimal point (--decimal , if not)"
            )
    return "."


def _check_whole(columns: Sequence[Any], mark: str, notes: Notes) -> None:
    """ConfigError if whole numbers of a column fit its others only without mark: 999 and 1.000."""
    from pyarrow import compute

    for column in columns:
        if (large := _first(column, mark, _OPEN[mark])) is None or has_sure(column, mark):
            continue
        whole = column.filter(compute.match_substring_regex(column, _WHOLE))
        grouped = column.filter(compute.match_substring_regex(column, _OPEN[mark]))
        if not len(whole):
            continue
        digits = compute.replace_substring_regex(grouped, rf"[{mark}+-]", "")
        small = np.median(np.abs(floats(whole)))
        if np.median(floats(digits)) / small < _NEARER:
            other = "." if mark == "," else ","
            raise notes.refuse(
                f"{whole[0].as_py()!r} and {large!r} stand in one column, so {mark!r} may be a "
                f"decimal separator or one of thousands: give --decimal {mark} or "
                f"--decimal {other}"
            )


def has_sure(column: Any, mark: str) -> bool:
    """Whether this is surely the decimal separator of some cell."""
    return _first(column, mark, _SURE[mark]) is not None


def are_thousands(column: Any, mark: str) -> bool:
    """Whether all separators in a column set thousands apart."""
    return _first(column, mark, _OPEN[mark]) is not None and not has_sure(column, mark)


def with_comma(column: Any) -> Floats | None:
    """The numbers of a column with a decimal comma, or of whole ones; None if any is otherwise."""
    from pyarrow import compute

    return None if _has(column, ".") else plain(compute.replace_substring(column, ",", "."))


def separated(name: str, text: Any, decimal: str, notes: Notes) -> Floats:
    """The numbers of a column whose separators differ from cell to cell, or are of thousands."""
    from pyarrow import compute

    own_comma, own_point = has_sure(text, ","), has_sure(text, ".")
    if own_comma and own_point:
        notes.say(f"column {name!r}: numbers with a decimal comma and with a decimal point")
    elif own_comma or own_point:
        decimal = "," if own_comma else "."
    other = "." if decimal == "," else ","
    text = compute.if_else(
        compute.match_substring_regex(text, rf"{_SIGN}{_THOUSANDS}(?:[.,]\d+)?{_EXPONENT}"),
        compute.replace_substring_regex(text, r"[ '\x{00A0}\x{2007}\x{2009}\x{202F}\x{2019}]", ""),
        text,
    )
    pattern = rf"{_SIGN}\d{{1,3}}(?:[{other}]\d{{3}})+(?:[{decimal}]\d*)?{_EXPONENT}"
    grouped = compute.match_substring_regex(text, pattern)
    if compute.any(grouped).as_py():
        notes.say(f"column {name!r}: {other!r} is read as the separator of thousands")
        text = compute.if_else(grouped, compute.replace_substring(text, other, ""), text)
    text = compute.replace_substring(text, ",", ".")
    fits = compute.match_substring_regex(text, rf"{_SIGN}(?:\d+\.?\d*|\.\d+){_EXPONENT}")
    # The cast does not take a leading plus.
    return floats(compute.replace_substring_regex(compute.if_else(fits, text, None), r"^\+", ""))


def _has(column: Any, mark: str) -> bool:
    from pyarrow import compute

    return bool(compute.any(compute.match_substring(column, mark)).as_py())


def _first(column: Any, mark: str, pattern: str) -> str | None:
    """The first cell that matches, which must hold the mark; None if there is none."""
    from pyarrow import compute

    for part in (column[:_FIRST], column[_FIRST:]):
        if len(part) and _has(part, mark):
            index = compute.index(compute.match_substring_regex(part, pattern), True).as_py()
            if index >= 0:
                return str(part[index].as_py())
    return None
