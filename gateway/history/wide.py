"""Reads recordings of other systems: CSV or Parquet, with a column of times and one for each tag.

Promises
- What the file does not say clearly is refused with the option that settles it, or said before
  anything is learnt from it: the column, format, zone and order of the times, the separators, and
  whatever is skipped (docs/history.md).
- Files are joined in the order of time. A file that cannot be read is a ConfigError that names it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Floats, Quality, SampleBatch, Times
from gateway.api.wording import in_a_line
from gateway.history.columns import Columns, load
from gateway.history.delimited.numbers import numbers_of
from gateway.history.delimited.plain import typed
from gateway.history.long_form import as_wide
from gateway.history.qualities import not_good_by_column
from gateway.history.reading import SHOWN, Notes, Reading, current
from gateway.history.states import in_numbers
from gateway.history.times.column import source_of
from gateway.history.times.milliseconds import with_milliseconds
from gateway.history.times.order import Ordered, in_order
from gateway.history.times.read import read_times
from gateway.history.times.wrap import check_wraps

_ROW_NUMBERS = frozenset(
    (
        "id",
        "no",
        "no.",
        "nr",
        "nr.",
        "#",
        "index",
        "idx",
        "row",
        "rownum",
        "lfd",
        "lfdnr",
        "record",
        "recno",
        "recordno",
    )
)
_COUNTED = 10
"""Rows from which a column of 1, 2, 3, ... is the number of the row, whatever its name."""


class Recording(NamedTuple):
    """Times int64[row] ns, ascending; values float64[row, tag], NaN where missing."""

    names: tuple[str, ...]
    times: Times
    values: Floats
    left_out: dict[str, str]
    """Columns that are not tags, with the reason."""
    notes: tuple[str, ...] = ()
    """Sentences about what the reader skipped, assumed or corrected."""
    bad: Bools | None = None
    """Missing values, bool[row, tag], that were there and that a line would call bad."""

    def only(self, names: Sequence[str]) -> "Recording":
        """The recording with these tags only."""
        if tuple(names) == self.names:
            return self
        columns = [self.names.index(name) for name in names]
        bad = None if self.bad is None else self.bad[:, columns]
        return self._replace(names=tuple(names), values=self.values[:, columns], bad=bad)

    def rows(self, rows: slice | Bools) -> "Recording":
        """The recording with these rows only."""
        bad = None if self.bad is None else self.bad[rows]
        return self._replace(times=self.times[rows], values=self.values[rows], bad=bad)


def joined(parts: Sequence[tuple[Path, Recording]]) -> Recording:
    """The recordings, each with its path, joined to one; ConfigError if their columns differ."""
    path, first = parts[0]
    if len(parts) == 1:
        return first
    for other, part in parts[1:]:
        if set(part.names) != set(first.names):
            odd = ", ".join(sorted(set(part.names) ^ set(first.names)))
            raise ConfigError(f"{other} does not have the same columns as {path}: {odd}")
    times = np.concatenate([part.times for _, part in parts])
    values = np.concatenate([part.only(first.names).values for _, part in parts])
    notes = [note for _, part in parts for note in part.notes]
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    repeated = np.concatenate([[False], _repeats(times, values)])
    if repeated.any():
        notes.append(f"{int(repeated.sum()):,} rows stand in several files, and are used once")
        current().tell(notes[-1])
    return first._replace(times=times[~repeated], values=values[~repeated], notes=tuple(notes))


def _repeats(times: Times, values: Floats) -> Any:
    equal = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return (np.diff(times) == 0) & equal.all(axis=1)


def samples_of(recording: Recording, number: Mapping[str, int]) -> SampleBatch:
    """Each value as a good sample, in the order of time; `number` is the index of each tag.

    Missing values are left out, unless they are known to be bad, and so are other columns.
    """
    names = [name for name in recording.names if name in number]
    own = recording.only(names)
    good = np.isfinite(own.values)
    row, column = np.nonzero(good if own.bad is None else good | own.bad)
    tag = np.array([number[name] for name in names], dtype=np.int32)[column]
    quality = np.where(good[row, column], np.uint8(Quality.GOOD), np.uint8(Quality.BAD))
    return SampleBatch(tag, recording.times[row], own.values[row, column], quality)


def read_files(paths: Sequence[Path], reading: Reading | None = None) -> Recording:
    """The recording in these files, joined in the order of time; ConfigError."""
    reading, parts, values = reading or current(), list[tuple[Path, Recording]](), 0
    for path in paths:
        parts.append((path, read_file(path, reading)))
        values += parts[-1][1].values.size
        if values > reading.most_values:
            raise ConfigError(
                f"{path} and the files before it have {values:,} values together, and at most "
                f"{reading.most_values:,} are read: give fewer files, or raise the limit with "
                "--most-values"
            )
    return joined(parts)


def read_file(path: Path, reading: Reading | None = None) -> Recording:
    """The recording in a file, its rows in the order of time; ConfigError if it is none.

    What was skipped or assumed is told to `reading`, by default the command's, and kept in the
    notes.
    """
    import pyarrow as pa

    reading = reading or current()
    columns, notes = load(path, reading.most_values)
    try:
        recording = _recording(columns, reading, notes)
    except pa.ArrowException as error:
        raise notes.refuse(f"cannot be read: {in_a_line(error)}") from error
    sentences = tuple(f"{path}: {sentence}" for sentence in notes.sentences)
    for sentence in sentences:
        reading.tell(sentence)
    return recording._replace(notes=sentences)


def _recording(columns: Columns, reading: Reading, notes: Notes) -> Recording:
    source = source_of(columns, reading, notes)
    read = read_times(columns, source, reading, notes)
    rows, times = columns.only(read.is_known), read.times[read.is_known]
    rows = in_numbers(rows, reading.texts, notes)
    times, aside = with_milliseconds(rows, times, source.columns, notes)
    wide = as_wide(rows, times, aside, reading, notes)
    if wide is not None:
        notes.unit = "time"
        numbers = np.arange(1, len(wide.times) + 1, dtype=np.int64)
        ordered = in_order(Ordered(wide.times, wide.values, numbers), reading.present, notes)
        return Recording(wide.names, ordered.times, ordered.values, dict(rows.left_out))
    check_wraps(read.wall[read.is_known], rows.numbers, notes)
    values, left_out = _values(rows, aside, reading, notes)
    table = np.stack(list(values.values()), axis=1)
    ordered = in_order(
        Ordered(times, table, rows.numbers), reading.present, notes, is_local=read.is_local
    )
    return Recording(tuple(values), ordered.times, ordered.values, {**left_out, **rows.left_out})


def _values(
    columns: Columns, aside: Sequence[int], reading: Reading, notes: Notes
) -> tuple[dict[str, Floats], dict[str, str]]:
    """The columns of numbers by name, and the others with the reason why they are none."""
    named = {n: name for n, name in enumerate(columns.names) if name and n not in aside}
    texts = {name: columns.arrays[n] for n, name in named.items() if columns.is_text(n)}
    found = numbers_of(texts, columns.numbers, notes, reading.decimal)
    judged = not_good_by_column(columns, tuple(aside), notes)
    qualities = {n: columns.names[of] for of, (n, _) in judged.items()}
    values, left_out = dict[str, Floats](), dict[str, str]()
    for n, name in enumerate(columns.names):
        if n in aside:
            continue
        if n in qualities:
            left_out[name] = f"the quality of {qualities[n]}"
            continue
        column = found[name].values if name in found else typed(columns.arrays[n])
        if not name:
            left_out[name] = "a column without a name"
        elif column is None:
            left_out[name] = found[name].reason if name in found else "hardly any numbers"
        elif _numbers_the_rows(name, column):
            left_out[name] = "the number of the row"
        else:
            values[name] = np.where(judged[n][1], np.nan, column) if n in judged else column
    if not values:
        why = "".join(f"; {name}: {reason}" for name, reason in list(left_out.items())[:SHOWN])
        raise notes.refuse(f"has no column with numbers beside the times{why}")
    return values, left_out


def _numbers_the_rows(name: str, column: Floats) -> bool:
    """Whether a column counts the rows, by its name or from 0 or 1 at the first row."""
    if not (np.diff(column) == 1).all():
        return False
    return name.lower() in _ROW_NUMBERS or (len(column) >= _COUNTED and column[0] in (0, 1))
