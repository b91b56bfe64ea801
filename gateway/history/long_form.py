"""Tables in long form: a row for each value, with the name of its tag in a column.

Promises
- A table in long form is read with a column for each tag, or refused by that name; values of
  several tags or devices are never taken for those of one.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import Floats, Times
from gateway.history.columns import Columns
from gateway.history.delimited.cells import is_number
from gateway.history.delimited.numbers import numbers_of
from gateway.history.delimited.plain import typed
from gateway.history.extent import MOST_COLUMNS, check_memory
from gateway.history.qualities import not_good
from gateway.history.reading import Notes, Reading, count_of

_TAG_NAMES = frozenset(
    (
        "tag", "tagname", "tag_name", "tagid", "tag_id", "name", "sensor", "sensor_id", "sensorid",
        "variable", "varname", "item", "itemid", "point", "pointname", "point_id", "channel",
        "signal", "measurement", "metric", "parameter", "nodeid", "node_id", "topic", "key",
        "attribute", "field", "series", "messstelle", "kanal", "variablenname", "varid",
        "stream", "series_name",
    )
)  # fmt: skip
_VALUE_NAMES = frozenset(
    ("value", "val", "v", "wert", "varvalue", "messwert", "reading", "valeur", "valor")
)


class Wide(NamedTuple):
    """Times int64[row] ns, ascending and unique; values float64[row, tag]."""

    names: tuple[str, ...]
    times: Times
    values: Floats


def as_wide(
    columns: Columns, times: Times, aside: tuple[int, ...], reading: Reading, notes: Notes
) -> Wide | None:
    """The table with a column for each tag; None if it is not in long form.

    `aside` are the columns of the times. ConfigError if it is in long form and cannot be read.
    """
    others = [n for n in range(len(columns.names)) if n not in aside]
    words = [n for n in others if _is_words(columns, n)]
    tag = [n for n in words if _plain(columns.names[n]) in _TAG_NAMES]
    value = _value(columns, others, words)
    if tag and value is not None:
        varying = [n for n in tag if _distinct(columns, n) > 1] or tag[:1]
        if len(varying) > 1:
            named = ", ".join(repr(columns.names[n]) for n in varying)
            raise notes.refuse(
                f"a table in long form, with the name of a tag in several columns ({named}): leave "
                "one of them, or write a column for each tag"
            )
        return _pivoted(columns, times, varying[0], value, reading, notes)
    _check_keys(columns, times, others, notes)
    return None


def _plain(name: str) -> str:
    return re.sub(r"\s*[\[(].*[\])]\s*$", "", name.strip().lower()).lstrip("_")


def _is_words(columns: Columns, column: int) -> bool:
    if not columns.is_text(column):
        return False
    cells = columns.sample(column)
    return bool(cells) and sum(map(is_number, cells)) * 2 < len(cells)


def _distinct(columns: Columns, column: int) -> int:
    from pyarrow import compute

    return int(compute.count_distinct(columns.arrays[column]).as_py())


def _value(columns: Columns, others: list[int], words: list[int]) -> int | None:
    """The column of the values: by its name, or the only one with numbers."""
    named = [n for n in others if _plain(columns.names[n]) in _VALUE_NAMES]
    if named:
        return named[0]
    numeric = [n for n in others if n not in words and columns.names[n]]
    return numeric[0] if len(numeric) == 1 else None


def _pivoted(
    columns: Columns, times: Times, tag: int, value: int, reading: Reading, notes: Notes
) -> Wide:
    from pyarrow import compute

    encoded = compute.utf8_trim_whitespace(columns.arrays[tag]).dictionary_encode()
    names, of_row = encoded.dictionary.to_pylist(), np.asarray(encoded.indices.fill_null(-1))
    moments, at = np.unique(times, return_inverse=True)
    if len(names) > MOST_COLUMNS or len(names) * len(moments) > reading.most_values:
        raise notes.refuse(
            f"a table in long form, with {len(names):,} names at {len(moments):,} times, too many "
            f"for a column each (at most {MOST_COLUMNS:,} names, and {reading.most_values:,} "
            "values): export fewer tags or a shorter time, or raise the limit with --most-values"
        )
    check_memory(3 * 8 * len(names) * len(moments), notes)
    numbers = _numbers(columns, value, reading.decimal, notes)
    if (bad := not_good(columns, notes)) is not None:
        numbers = np.where(bad, np.nan, numbers)
    given = (of_row >= 0) & ~np.isnan(numbers)
    values = np.full((len(moments), len(names)), np.nan)
    values[at[given], of_row[given]] = numbers[given]
    notes.say(
        f"a table in long form: {count_of(len(names), 'tag')} by column {columns.names[tag]!r}, "
        f"with the values of column {columns.names[value]!r}"
    )
    changed = int((values[at[given], of_row[given]] != numbers[given]).sum())
    if changed:
        notes.say(f"{count_of(changed, 'row')} with another value of its tag and time left out")
    order = [n for n, name in enumerate(names) if name]
    return Wide(tuple(str(names[n]) for n in order), moments, values[:, order])


def _numbers(columns: Columns, value: int, decimal: str | None, notes: Notes) -> Floats:
    name = columns.names[value]
    if not columns.is_text(value):
        numbers = typed(columns.arrays[value])
        if numbers is None:
            raise notes.refuse(
                f"a table in long form, whose column of values {name!r} holds no numbers"
            )
        return numbers
    found = numbers_of({name: columns.arrays[value]}, columns.numbers, notes, decimal)[name]
    if found.values is None:
        raise notes.refuse(
            f"a table in long form, whose column of values {name!r} holds {found.reason}"
        )
    return found.values


def _check_keys(columns: Columns, times: Times, others: list[int], notes: Notes) -> None:
    """ConfigError if a column tells apart the rows of one time, as devices in one file."""
    moments, at, counts = np.unique(times, return_inverse=True, return_counts=True)
    if len(moments) * 1.5 > len(times) or len(times) < 4:
        return
    for n in others:
        keys = _keys(columns.arrays[n])
        if keys is None:
            continue
        distinct = int(keys.max()) + 1
        if not 2 <= distinct <= 2 * int(counts.max()):
            continue
        pairs = np.unique(at.astype(np.int64) * distinct + keys)
        if len(pairs) == len(times):
            raise notes.refuse(
                f"each time stands in several rows, which column {columns.names[n]!r} tells apart "
                f"({distinct} different): a table in long form, or of several devices; write a "
                "column for each tag, and a file for each device"
            )


def _keys(array: Any) -> Any:
    """The cells of a column by number; None if they are measurements."""
    import pyarrow as pa
    from pyarrow import compute

    if not (pa.types.is_string(array.type) or pa.types.is_integer(array.type)):
        return None
    if pa.types.is_string(array.type) and compute.any(
        compute.match_substring_regex(array, r"^[+-]?\d*[.,]\d+$")
    ).as_py():  # fmt: skip
        return None
    encoded = array.dictionary_encode(null_encoding="encode")
    if {str(key) for key in encoded.dictionary.to_pylist()[:3]} <= {"0", "1"}:
        return None  # a bit that changes with each sample
    return np.asarray(encoded.indices).astype(np.int64)
