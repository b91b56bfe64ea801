"""The content of a history file: samples as they arrived, as an Arrow table.

Promises
- Rows are in the order in which the line received them, and `arrived` is the exact time with which
  it decided. Ticks without samples are rows without a tag, so a replay is exact.
- A value is null if the sample had none; its quality tells why.

Importing this module imports pyarrow, some 60 MB: only a line with history does.
"""

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gateway.api.contracts import ConfigError
from gateway.api.model import Bools, Indices, Nanos, Quality, SampleBatch
from gateway.history.names import name_of

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
    """Writes the tables to disk (fsync), one row group each; returns the file's CRC. OSError."""
    try:
        with path.open("wb") as file:
            with parquet.ParquetWriter(file, columns, **_STORAGE) as out:
                for table in tables:
                    out.write_table(table)
            file.flush()
            os.fsync(file.fileno())
        with pa.memory_map(str(path)) as written:
            return zlib.crc32(written.read_buffer())
    except OSError:
        path.unlink(missing_ok=True)
        raise


Span = tuple[Nanos, Nanos]
"""From and to, both included."""


def read(path: Path, span: Span | None = None) -> Any:
    """The rows of a file, its checksums verified; Unreadable if it is damaged.

    With a `span`, only the row groups that hold sample times in it.
    """
    name = name_of(path)
    try:
        with pa.memory_map(str(path)) as source:
            content = source.read_buffer()
            if name is not None and zlib.crc32(content) != name.crc:
                raise Unreadable(f"{path} is damaged: its content differs from the CRC in its name")
            with parquet.ParquetFile(content, page_checksum_verification=True) as file:
                return file.read_row_groups(_groups(file.metadata, span), use_threads=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def _groups(metadata: Any, span: Span | None) -> list[int]:
    groups = range(metadata.num_row_groups)
    if span is None:
        return list(groups)
    times = [metadata.row_group(n).column(0).statistics for n in groups]
    # The raw integers: converted to datetime they would lose their nanoseconds.
    return [n for n in groups if times[n].min_raw <= span[1] and times[n].max_raw >= span[0]]


def read_facts(path: Path) -> dict[str, str]:
    """The facts of a file; empty if it is not history. Raises what `read` raises."""
    try:
        return facts_of(parquet.read_schema(path))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


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
