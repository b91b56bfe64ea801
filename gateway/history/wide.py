"""Reads recordings of other systems: wide CSV or Parquet, a column of times and one for each tag.

Promises
- The column of times is the one named timestamp, time, datetime or at, or else the first, if it
  holds times; ISO 8601 (UTC without an offset) or seconds, milli-, micro- or nanoseconds since
  1970.
- `,`, `;` and tab are recognised, and the decimal comma with the latter two.
- A cell that is not a number is missing. A column with hardly any numbers, or without a name, is
  left out and reported.
- Files are joined in the order of time. A file that cannot be read is a ConfigError that names it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import Floats, Quality, SampleBatch, Times

_TIME_NAMES = ("timestamp", "time", "datetime", "at")
_EPOCH_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000))
_LATEST = 2.0**63
"""In ns since 1970."""
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


class Recording(NamedTuple):
    """Times int64[row] ns, ascending; values float64[row, tag], NaN where missing."""

    names: tuple[str, ...]
    times: Times
    values: Floats
    left_out: dict[str, str]
    """Columns that are not tags, with the reason."""

    def only(self, names: Sequence[str]) -> "Recording":
        """The recording with these tags only."""
        if tuple(names) == self.names:
            return self
        columns = [self.names.index(name) for name in names]
        return self._replace(names=tuple(names), values=self.values[:, columns])


def joined(parts: Sequence[tuple[Path, Recording]]) -> Recording:
    """The recordings, each with its path, joined to one; ConfigError if their columns differ."""
    path, first = parts[0]
    for other, part in parts[1:]:
        if set(part.names) != set(first.names):
            odd = ", ".join(sorted(set(part.names) ^ set(first.names)))
            raise ConfigError(f"{other} does not have the same columns as {path}: {odd}")
    times = np.concatenate([part.times for _, part in parts])
    values = np.concatenate([part.only(first.names).values for _, part in parts])
    order = np.argsort(times, kind="stable")
    return first._replace(times=times[order], values=values[order])


def samples_of(recording: Recording, number: Mapping[str, int]) -> SampleBatch:
    """Each value as a good sample, in the order of time; `number` is the index of each tag.

    Missing values and columns that are not tags are left out.
    """
    names = [name for name in recording.names if name in number]
    values = recording.only(names).values
    row, column = np.nonzero(np.isfinite(values))
    tag = np.array([number[name] for name in names], dtype=np.int32)[column]
    good = np.full(len(row), Quality.GOOD, dtype=np.uint8)
    return SampleBatch(tag, recording.times[row], values[row, column], good)


def read_file(path: Path) -> Recording:
    """The recording in a file, its rows in the order of the file; ConfigError."""
    import pyarrow as pa

    try:
        table = _table(path)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    names = [name.strip() for name in table.column_names]
    _check_names(path, names)
    at = next((i for i, name in enumerate(names) if name.lower() in _TIME_NAMES), 0)
    times, known = _times(path, names[at], table.column(at).combine_chunks())
    columns: dict[str, Floats] = {}
    left_out: dict[str, str] = {}
    for number, name in enumerate(names):
        if number != at:
            column = _numbers(table.column(number).combine_chunks()) if name else None
            if column is None:
                left_out[name] = "hardly any numbers" if name else "a column without a name"
            else:
                columns[name] = column[known]
    if not columns:
        raise ConfigError(f"{path} has no column with numbers beside the times")
    return Recording(tuple(columns), times, np.stack(list(columns.values()), axis=1), left_out)


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise ConfigError(
            f"{path} must hold a column of times and at least one column of values, with ',', ';' "
            f"or a tab between them; it has one column, {names[0]!r}"
        )
    duplicate = next((name for name in names if name and names.count(name) > 1), None)
    if duplicate is not None:
        raise ConfigError(f"{path} has several columns named {duplicate!r}: give each its own name")


def _table(path: Path) -> Any:
    from pyarrow import csv, parquet

    if path.suffix.lower() in (".parquet", ".pq"):
        return parquet.read_table(path)
    delimiter, decimal = _dialect(path)
    return csv.read_csv(
        path,
        # With several threads errors would lack the number of the wrong row.
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(decimal_point=decimal, strings_can_be_null=True),
    )


def _dialect(path: Path) -> tuple[str, str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header, row = file.readline(), file.readline()
    if "\ufffd" in header or "\0" in header:
        raise ConfigError(f"{path} is not text in UTF-8: save it as CSV with that encoding")
    delimiter = max(",;\t", key=header.count)
    return delimiter, "," if delimiter != "," and re.search(r"\d,\d", row) else "."


def _times(path: Path, name: str, column: Any) -> tuple[Times, Any]:
    """The times in ns of the rows that have one, and a mask of these rows."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_floating(column.type):
        column = compute.if_else(compute.is_finite(column), column, None)
    try:
        times = _nanos(column.drop_null(), is_named=name.lower() in _TIME_NAMES)
    except (AttributeError, ValueError) as error:
        raise ConfigError(
            f"{path}: the column {name!r} does not hold times ({error}); write them as "
            "2026-01-31T12:00:00Z or as seconds since 1970, in a column named timestamp"
        ) from error
    return times, np.asarray(column.is_valid())


def _nanos(column: Any, *, is_named: bool) -> Times:
    """The times in ns of a column without nulls; ValueError or AttributeError if it has none."""
    import pyarrow as pa

    kind = column.type
    if not len(column):
        raise ValueError("it is empty")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        nanos = column.cast(pa.timestamp("ns", tz=zone)).cast(pa.int64())
        return np.asarray(nanos, dtype=np.int64)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = np.asarray(column)
        if not is_named and (np.diff(numbers) < 0).any():
            raise ValueError("its numbers go up and down")
        return _epoch(numbers)
    texts = [datetime.fromisoformat(text.strip()) for text in column.to_pylist()]
    seconds = [(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() for at in texts]
    return _epoch(np.round(np.array(seconds) * 1e6), 1_000)


def _epoch(numbers: Any, factor: int | None = None) -> Times:
    """Numbers since 1970 in ns; without a `factor` the unit follows from their size."""
    size = float(np.median(np.abs(numbers)))
    factor = factor or next((factor for limit, factor in _EPOCH_UNITS if size < limit), 1)
    if float(np.abs(numbers.astype(np.float64)).max()) * factor >= _LATEST:
        raise ValueError("one is before 1678 or after 2262")
    if np.issubdtype(numbers.dtype, np.integer):
        return np.asarray(numbers.astype(np.int64) * factor)
    # Whole units separately, so that the fraction keeps its digits.
    whole = np.floor(numbers)
    return np.asarray(
        whole.astype(np.int64) * factor + np.round((numbers - whole) * factor).astype(np.int64)
    )


def _numbers(column: Any) -> Floats | None:
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        fits = compute.match_substring_regex(column, _NUMBER)
        column = compute.utf8_trim_whitespace(compute.if_else(fits, column, None))
        if column.null_count * 2 > len(column):
            return None
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return None
    values = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    values[~np.isfinite(values)] = np.nan
    return values
