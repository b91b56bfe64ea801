"""A recording's file as columns, before any of them is read as times or numbers."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import Indices
from gateway.history.delimited.cells import is_missing, trimmed
from gateway.history.delimited.decode import PARQUET, decode, read_bytes
from gateway.history.delimited.layout import layout_of, with_whole_headers
from gateway.history.delimited.rows import read_rows
from gateway.history.reading import Notes

_SAMPLE = 200


class Columns(NamedTuple):
    """Names, and one Arrow array each: text of a CSV file, whatever type in Parquet."""

    names: tuple[str, ...]
    arrays: list[Any]
    numbers: Indices
    """Number of each row: of its line in a text file."""

    def only(self, rows: Any) -> "Columns":
        """These rows, by a mask."""
        if rows.all():
            return self
        index = np.flatnonzero(rows)
        return Columns(self.names, [a.take(index) for a in self.arrays], self.numbers[rows])

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


def load(path: Path) -> tuple[Columns, Notes]:
    """The columns of a CSV or Parquet file, and what was said on the way; ConfigError."""
    data = read_bytes(path)
    if path.suffix.lower() in (".parquet", ".pq") or data.startswith(PARQUET):
        notes = Notes(path, "row")
        columns = _parquet(path)
    else:
        notes = Notes(path)
        lines = with_whole_headers(decode(data, notes).split("\n"))
        layout = layout_of(lines, notes)
        rows = read_rows(lines, layout, notes)
        columns = Columns(layout.names, rows.columns, rows.numbers)
    _check_names(columns.names, notes)
    return columns, notes


def _parquet(path: Path) -> Columns:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read as Parquet: {error}") from error
    arrays = [_simple(column.combine_chunks()) for column in table.columns]
    names = tuple(name.strip() for name in table.column_names)
    return Columns(names, arrays, np.arange(1, table.num_rows + 1))


def _simple(column: Any) -> Any:
    """A column as plain text where it holds words by number, and decimals as floats."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


def _check_names(names: tuple[str, ...], notes: Notes) -> None:
    if len(names) < 2:
        raise notes.refuse(
            "it must hold a column of times and at least one column of values; it has one column"
            + (f", {names[0]!r}" if names else "")
        )
    duplicate = next((name for name in names if name and names.count(name) > 1), None)
    if duplicate is not None:
        raise notes.refuse(f"several columns named {duplicate!r}: give each its own name")
