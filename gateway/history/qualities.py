"""Columns that say which values of a recording are good, as historians and OPC servers write them.

Promises
- A value that its own quality calls bad or uncertain is missing, counted and said.
- Codes of which it is not known which are good are reported, and nothing is left out by them.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import Bools, Floats
from gateway.history.columns import Columns
from gateway.history.delimited.plain import plain
from gateway.history.reading import SHOWN, Notes, count_of

_OWN = (
    "quality", "qualität", "qualitydetail", "quality_detail", "qualitycode", "quality_code",
    "opcquality", "opc_quality", "validity", "statuscode", "status_code", "confidence",
)  # fmt: skip
"""Names that mean the quality of a value wherever they stand."""
_IN_LONG_FORM = frozenset((*_OWN, "status", "state", "flag", "q", "good", "valid"))
"""In a wide table a status or state may be a tag."""
_OF_TAG = re.compile(rf"(?P<tag>.*\S)\s*[\s._:/|(\[-]+(?:{'|'.join(_OWN)})[)\]]?", re.IGNORECASE)
_VALUE_OF = ("{}", "{}_value", "{}.value", "{} value")
_OPC_GOOD = 0xC0
_MOST_CODES = 100


class _Judged(NamedTuple):
    """Which rows are not good, and what a good one has."""

    bad: Bools
    good: str


def not_good(columns: Columns, notes: Notes) -> Bools | None:
    """The rows of a table in long form whose quality is not good; None if none says so."""
    for n, name in enumerate(columns.names):
        if _plain(name) in _IN_LONG_FORM and (judged := _judged(columns, n, notes)):
            _say(judged, name, notes)
            return judged.bad
    return None


def not_good_by_column(columns: Columns, aside: tuple[int, ...], notes: Notes) -> dict[int, Any]:
    """For a wide table: by column of values its own column of qualities, and the rows not good."""
    by_name = {name.lower(): n for n, name in enumerate(columns.names) if n not in aside}
    found = dict[int, Any]()
    for n, name in enumerate(columns.names):
        if n in aside:
            continue
        of = _value_of(name, by_name)
        if of is None and _plain(name) in _OWN:
            others = [each for each in by_name.values() if each != n and columns.names[each]]
            if len(others) > 1:
                notes.say(
                    f"column {name!r} may say which values of a row are good; it is not used, so "
                    "bad values count as measured: leave out their rows"
                )
            of = others[0] if len(others) == 1 else None
        if of is None or of == n:
            continue
        if (judged := _judged(columns, n, notes)) is not None:
            _say(judged, name, notes)
            found[of] = (n, judged.bad)
    return found


def _value_of(name: str, by_name: dict[str, int]) -> int | None:
    if match := _OF_TAG.fullmatch(name.strip()):
        names = [form.format(match["tag"].lower()) for form in _VALUE_OF]
        return next((by_name[each] for each in names if each in by_name), None)
    # Time, value and quality: the table of a single tag.
    return by_name.get("value") if _plain(name) in _IN_LONG_FORM else None


def _plain(name: str) -> str:
    return re.sub(r"\s*[\[(].*[\])]\s*$", "", name.strip().lower()).lstrip("_")


def _say(judged: _Judged, name: str, notes: Notes) -> None:
    if judged.bad.any():
        notes.say(
            f"{count_of(int(judged.bad.sum()), 'row')} taken as missing, since column {name!r} is "
            f"not {judged.good}"
        )


def _judged(columns: Columns, column: int, notes: Notes) -> _Judged | None:
    codes = _codes(columns, column)
    if codes is None or (columns.is_text(column) and np.isnan(codes).all()):
        return _by_words(columns.arrays[column]) if columns.is_text(column) else None
    name = _plain(columns.names[column])
    different = np.unique(codes[np.isfinite(codes)])
    if not len(different) or len(different) > _MOST_CODES or (different % 1 != 0).any():
        return None
    judged = _by_codes(name, codes, different)
    if judged is None and len(different) > 1:
        shown = ", ".join(f"{code:g}" for code in different[:SHOWN])
        more = ", ..." if len(different) > SHOWN else ""
        notes.say(
            f"column {columns.names[column]!r} holds codes ({shown}{more}) and may say which "
            "values are good; it is not used, so bad ones count as measured: leave out their rows"
        )
    return judged


def _codes(columns: Columns, column: int) -> Floats | None:
    """The numbers of the column, bits for true and false; None for words."""
    import pyarrow as pa
    from pyarrow import compute

    array = columns.arrays[column]
    if columns.is_text(column):
        return plain(compute.utf8_trim_whitespace(array))
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return None
    return np.array(array.cast("float64").to_numpy(zero_copy_only=False))


def _by_codes(name: str, codes: Floats, different: Floats) -> _Judged | None:
    if "statuscode" in name.replace("_", "") and different[0] >= 0:
        return _Judged(~(codes < 2**30), "Good (below 0x40000000)")
    if name in ("good", "valid", "validity") and set(different) <= {0.0, 1.0}:
        return _Judged(codes != 1, "1")
    if (different == 100).any() and different[-1] == 100 and different[0] >= 0:
        return _Judged(codes != 100, "100")
    if (different == _OPC_GOOD).any() and different[0] >= 0:
        whole = np.where(np.isfinite(codes), codes, 0).astype(np.int64)
        return _Judged(whole & _OPC_GOOD != _OPC_GOOD, "good by OPC (192)")
    return None


def _by_words(array: Any) -> _Judged | None:
    from pyarrow import compute

    words = compute.fill_null(compute.utf8_lower(compute.utf8_trim_whitespace(array)), "")
    bad = np.asarray(compute.starts_with(words, "bad"))
    good = np.asarray(compute.starts_with(words, "good"))
    true = np.asarray(compute.equal(words, "true"))
    if good.any():
        return _Judged(~good, "'Good'")
    if bad.any():
        return _Judged(bad, "'Good'")
    return _Judged(~true, "true") if true.any() else None
