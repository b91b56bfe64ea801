"""A recording's file as columns, before any of them is read as times or numbers."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import Indices
from gateway.api.wording import listed
from gateway.history.delimited.cells import is_missing, trimmed
from gateway.history.delimited.decode import PARQUET, decode, lines_of, read_bytes
from gateway.history.delimited.layout import layout_of, with_whole_headers
from gateway.history.delimited.rows import read_rows
from gateway.history.extent import LONGEST_NAME, check_values
from gateway.history.files import at, opened
from gateway.history.reading import Notes, quoted

_SAMPLE = 200
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Columns(NamedTuple):
    """Names, and one Arrow array each: text of a CSV file, whatever type in Parquet."""

    names: tuple[str, ...]
    arrays: list[Any]
    numbers: Indices
    """Number of each row: of its line in a text file."""
    left_out: Mapping[str, str] = MappingProxyType({})
    """Columns that were not read, with the reason."""

    def only(self, rows: Any) -> "Columns":
        """These rows, by a mask."""
        if rows.all():
            return self
        index = np.flatnonzero(rows)
        arrays = [array.take(index) for array in self.arrays]
        return self._replace(arrays=arrays, numbers=self.numbers[rows])

    def is_text(self, column: int) -> bool:
        """Whether a column holds text."""
        import pyarrow as pa

        kind = self.arrays[column].type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def sample(self, column: int) -> list[str]:
        """Some cells of a column of text, trimmed, without missing ones, and evenly spaced."""
        array = self.arrays[column]
        if not len(array):
            return []
        some = np.unique(np.linspace(0, len(array) - 1, _SAMPLE).astype(int))
        cells = [trimmed(text or "") for text in array.take(some).to_pylist()]
        return [cell for cell in cells if not is_missing(cell)]


def load(path: Path, most: int) -> tuple[Columns, Notes]:
    """The columns of a CSV or Parquet file, and what was said on the way; ConfigError.

    `most` is the number of values that it may have.
    """
    if is_parquet(path):
        notes = Notes(path, "row")
        columns = _parquet(path, most, notes)
    else:
        notes = Notes(path)
        columns = _text(path, most, notes)
    _check_names(columns, notes)
    return columns, notes


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its name or its first bytes; ConfigError if it is no file."""
    with opened(path) as file:
        return path.suffix.lower() in (".parquet", ".pq") or at(file, 0, 4) in PARQUET


def _text(path: Path, most: int, notes: Notes) -> Columns:
    lines = with_whole_headers(lines_of(decode(read_bytes(path, most, notes), notes), most, notes))
    layout = layout_of(lines, notes)
    check_values(len(lines) - layout.first, len(layout.names), most, notes)
    rows = read_rows(lines, layout, notes)
    return Columns(layout.names, rows.columns, rows.numbers)


def _parquet(path: Path, most: int, notes: Notes) -> Columns:
    from gateway.history.parquet.columns import read

    found = read(path, most, notes)
    numbers: Any = np.arange(1, found.rows + 1)
    return Columns(found.names, found.arrays, numbers, found.left_out)


def _check_names(columns: Columns, notes: Notes) -> None:
    names = columns.names
    if len(names) < 2:
        out = [f"{quoted(name)} ({why})" for name, why in columns.left_out.items()]
        raise notes.refuse(
            "it must hold a column of times and at least one column of values; it has one column"
            + (f", {quoted(names[0])}" if names else "")
            + (f", and left out {'is' if len(out) == 1 else 'are'} {listed(out)}" if out else "")
        )
    for n, name in enumerate(names, 1):
        if len(name) > LONGEST_NAME:
            raise notes.refuse(
                f"the name of column {n} has {len(name):,} characters, and at most {LONGEST_NAME} "
                f"are read: {quoted(name)}"
            )
        if _CONTROL.search(name):
            raise notes.refuse(f"the name of column {n} has a control character: {quoted(name)}")
    again = next((name for name, n in Counter(names).items() if name and n > 1), None)
    if again is not None:
        raise notes.refuse(f"several columns named {again!r}: give each its own name")
