"""The content of a history file: samples as they arrived, as an Arrow table.

Promises
- Rows are in the order in which the line received them, and `arrived` is the exact time with which
  it decided. Ticks without samples are rows without a tag, so a replay is exact.
- A value is null if the sample had none; its quality tells why.

Importing this module imports pyarrow, some 60 MB: only a line with history does.
"""

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from gateway.api import private
from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Indices, Nanos, Quality, SampleBatch
from gateway.api.wording import in_a_line
from gateway.history.extent import check_values
from gateway.history.files import opened
from gateway.history.names import name_of
from gateway.history.parquet.footer import roots_of
from gateway.history.parquet.pages import extents_of
from gateway.history.reading import Notes, current, quoted

FORMAT = "andon.history"
"""The metadata key that marks a file as history; its value is the version of the format."""
VERSION = "1"

QUALITIES = tuple(quality.name.lower() for quality in Quality)
_TIME = pa.timestamp("ns", tz="UTC")
_WORD = pa.dictionary(pa.int32(), pa.string())
_COLUMNS = pa.schema(
    [
        ("time", _TIME),
        ("tag", _WORD),
        ("value", pa.float64()),
        ("quality", _WORD),
        ("arrived", _TIME),
    ]
)

# Measured: 3.1 bytes a sample, in 0.1 µs. Sorting by tag, or a dictionary of values, needs more.
_STORAGE = {
    "compression": "zstd",
    "use_dictionary": ["tag", "quality"],
    "column_encoding": {"time": "DELTA_BINARY_PACKED", "arrived": "DELTA_BINARY_PACKED"},
    "write_page_checksum": True,
}
_PART = 1 << 24
"""Bytes of a file whose checksum is taken at once."""
UNFINISHED = ".unfinished"
"""The suffix of a file that is being written."""


class Unreadable(ConfigError):  # noqa: N818 - a state of the file
    """A file that is damaged or missing; the message names it."""


Arrival = tuple[Nanos, SampleBatch | None]
"""The time of a tick and the samples that had arrived, None without any; the line's indices."""


def schema(facts: Mapping[str, str]) -> Any:
    """The columns with facts about the recording: line, site, started, config."""
    return _COLUMNS.with_metadata({FORMAT: VERSION, **{f"andon.{k}": v for k, v in facts.items()}})


def facts_of(columns: Any) -> dict[str, str]:
    """The facts in a file's schema; empty if it is not history. Unreadable if of a later format."""
    metadata = {key.decode(): value.decode() for key, value in (columns.metadata or {}).items()}
    version = metadata.get(FORMAT, VERSION)
    if version != VERSION:
        raise Unreadable(f"written by a newer andon, in history format {version}")
    prefix = "andon."
    facts = {key.removeprefix(prefix): v for key, v in metadata.items() if key.startswith(prefix)}
    return facts if FORMAT in metadata else {}


def write(path: Path, tables: Iterable[Any], columns: Any) -> int:
    """Writes the tables to disk (fsync), one row group each; returns the file's CRC. OSError.

    A link of that name is replaced, never followed.
    """
    try:
        with os.fdopen(private.new_file(path), "wb") as file:
            with parquet.ParquetWriter(file, columns, **_STORAGE) as out:
                for table in tables:
                    out.write_table(table)
            file.flush()
            os.fsync(file.fileno())
        with pa.memory_map(str(path)) as written:
            return zlib.crc32(written.read_buffer())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


Span = tuple[Nanos, Nanos]
"""From and to, both included."""
_MOST_ROWS = 2**20
"""Rows of one row group: pyarrow writes no larger ones by itself."""
_MOST_BYTES = 64 * _MOST_ROWS
"""What the pages of one row group may expand to."""
_MOST_AT_ONCE = 4 * _MOST_ROWS


SAMPLE = ("time", "tag", "value", "quality")
"""The columns of a sample, without its arrival."""


def groups(
    path: Path,
    span: Span | None = None,
    columns: Sequence[str] = tuple(_COLUMNS.names),
    *,
    newest_first: bool = False,
) -> Iterator[Any]:
    """The rows of a file, one row group at a time; Unreadable if it is damaged.

    The checksums are verified first. With a `span`, only the row groups that may hold sample times
    in it. The columns of `SAMPLE` are needed.
    """
    numbers = [_COLUMNS.get_field_index(name) for name in columns]
    with _readable(path), opened(path) as source:
        _check_crc(path, source)
        file = _parquet(path, source)
        wanted = _groups(file.metadata, span)
        for group in reversed(wanted) if newest_first else wanted:
            part = file.reader.read_row_group(group, column_indices=numbers, use_threads=False)
            _check_rows(path, part)
            yield part


def read(path: Path) -> Any:
    """The rows of a file that holds a few million at most; Unreadable if it is damaged."""
    parts, rows = [_COLUMNS.empty_table()], 0
    for part in groups(path):
        parts, rows = [*parts, part], rows + len(part)
        if rows > _MOST_AT_ONCE:
            raise Unreadable(f"{path} cannot be read: it has more than {_MOST_AT_ONCE:,} rows")
    # The facts of the file stay with its rows.
    return pa.concat_tables(parts[1:] or parts)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file is Unreadable."""
    try:
        yield
    except Unreadable:
        raise
    except ConfigError as error:
        raise Unreadable(str(error)) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Unreadable(f"{path} cannot be read: {in_a_line(error)}") from error


def _check_crc(path: Path, source: FileIO) -> None:
    name, crc = name_of(path), 0
    if name is None:
        return
    while part := source.read(_PART):
        crc = zlib.crc32(part, crc)
    if crc != name.crc:
        raise Unreadable(f"{path} is damaged: its content differs from the CRC in its name")


def _parquet(path: Path, source: FileIO) -> Any:
    """The file, whose columns are those of history and whose row groups are bounded."""
    notes = Notes(path, "row")
    leaves = [root.leaf for root in roots_of(source, notes)]
    file = parquet.ParquetFile(source, page_checksum_verification=True, pre_buffer=False)
    if file.schema_arrow.names != _COLUMNS.names or file.schema_arrow.types != _COLUMNS.types:
        raise Unreadable(f"{path} cannot be read: its columns are not those of history")
    extents = extents_of(source, file.metadata, leaves, notes)
    check_values(file.metadata.num_rows, len(leaves), current().most_values, notes)
    for n in range(file.num_row_groups):
        rows = file.metadata.row_group(n).num_rows
        expanded = sum(extents[n, leaf].total for leaf in leaves)
        if any(extents[n, leaf].is_delta for leaf in leaves):
            # The decoder takes the number of texts that such a page claims at its word.
            raise Unreadable(
                f"{path} cannot be read: its row group {n + 1} has texts in an encoding that "
                "andon does not write"
            )
        if rows > _MOST_ROWS or expanded > _MOST_BYTES:
            raise Unreadable(
                f"{path} cannot be read: its row group {n + 1} has {rows:,} rows of "
                f"{expanded:,} bytes, and andon writes at most {_MOST_ROWS:,} rows"
            )
    return file


def _check_rows(path: Path, part: Any) -> None:
    """Unreadable if a row lacks what each row has, or has a word that andon does not write."""
    times = {"time", "arrived"}.intersection(part.column_names)
    lacking = next((name for name in sorted(times) if part[name].null_count), None)
    if lacking is not None:
        raise Unreadable(f"{path} cannot be read: a row lacks its {lacking}")
    words = {word for chunk in part["quality"].chunks for word in chunk.dictionary.to_pylist()}
    if odd := words.difference(QUALITIES):
        raise Unreadable(
            f"{path} cannot be read: {quoted(str(odd.pop()))} is no quality, which is "
            f"{', '.join(QUALITIES)}"
        )
    if compute.any(compute.and_(part["quality"].is_null(), part["tag"].is_valid())).as_py():
        raise Unreadable(f"{path} cannot be read: a sample lacks its quality")


def check_plain(path: Path) -> None:
    """Unreadable if a file of the daemon's own folder is a link, a FIFO or the like."""
    why = private.refusal(path)
    if why:
        raise Unreadable(why)


def _groups(metadata: Any, span: Span | None) -> list[int]:
    every = range(metadata.num_row_groups)
    return [n for n in every if span is None or _may_hold(metadata.row_group(n).column(0), span)]


def _may_hold(times: Any, span: Span) -> bool:
    found = times.statistics
    if found is None or not found.has_min_max:
        return True
    # The raw integers: converted to datetime they would lose their nanoseconds.
    return bool(found.min_raw <= span[1] and found.max_raw >= span[0])


def read_facts(path: Path) -> dict[str, str]:
    """The facts of a file; empty if it is not history. Raises what `read` raises."""
    with _readable(path), opened(path) as source:
        roots_of(source, Notes(path, "row"))
        return facts_of(parquet.ParquetFile(source, pre_buffer=False).schema_arrow)


def joined(tables: Sequence[Any]) -> Any:
    """The tables joined to one, in order."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def as_table(arrivals: Sequence[Arrival], tags: Sequence[str], columns: Any) -> Any:
    """The arrivals as rows, in order."""
    batches = [_NO_SAMPLE if batch is None else batch for _, batch in arrivals]
    arrived = np.repeat([now for now, _ in arrivals], [len(batch) for batch in batches])
    tag = np.concatenate([batch.tag for batch in batches])
    at = np.concatenate([batch.at for batch in batches])
    quality = np.concatenate([batch.quality for batch in batches]).astype(np.int32)
    no_tag = tag < 0
    return pa.Table.from_arrays(
        [
            pa.array(np.where(no_tag, arrived, at), _TIME),
            _words(tag, no_tag, tags),
            pa.array(np.concatenate([batch.value for batch in batches]), from_pandas=True),
            _words(quality, no_tag, QUALITIES),
            pa.array(arrived, _TIME),
        ],
        schema=columns,
    )


def _words(index: Indices, missing: Bools, words: Sequence[str]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32(), mask=missing), words)


_NO_SAMPLE = SampleBatch(
    np.array([-1], dtype=np.int32),
    np.array([0], dtype=np.int64),
    np.array([np.nan]),
    np.array([Quality.GOOD], dtype=np.uint8),
)
