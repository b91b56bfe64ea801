"""The columns of a Parquet file that may hold times, numbers or texts.

Promises
- Rows, columns, bytes and memory are bounded before anything is decoded, and texts, which a
  dictionary repeats at no cost, before they are written out.
- Lists, structures and bytes are not decoded at all: they are left out with the reason.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from gateway.api.contracts import ConfigError
from gateway.api.wording import in_a_line
from gateway.history import memory
from gateway.history.extent import BYTES_A_VALUE, check_bytes, check_memory, check_values
from gateway.history.files import opened
from gateway.history.parquet.footer import Root, roots_of
from gateway.history.parquet.pages import Extent, extents_of
from gateway.history.reading import Notes

_AT_ONCE = 1 << 26
"""Bytes of texts, each as long as the longest page, that are decoded at once."""
_ROWS_AT_ONCE = 1 << 16
_LONGEST_TEXT = 2**31 - 1
"""Bytes in one column of text, which Arrow counts with 32 bits."""
_COPIES = 3
"""Of a column while it is read: its pages, its values, and both of them while they grow."""
_LONGEST_NUMBER = 32
"""Bytes of the largest decimal. A dictionary repeats longer ones in each row, at no cost."""
_NUMBER, _TEXT = "", "text"


class Read(NamedTuple):
    """Names, an Arrow array each, and the columns that were not read with the reason."""

    names: tuple[str, ...]
    arrays: list[Any]
    rows: int
    left_out: Mapping[str, str]


class _File(NamedTuple):
    """A file whose footer was checked, and its columns that can be read."""

    parquet: Any
    words: Any
    """The same file, whose texts are read as words by number."""
    chosen: Sequence[Root]
    texts: frozenset[int]
    """Which of the chosen columns hold text."""


def read(path: Path, most: int, notes: Notes) -> Read:
    """The columns of a file with at most so many values; ConfigError if it is none."""
    import pyarrow as pa

    with opened(path) as source:
        try:
            return _read(source, most, notes)
        except MemoryError as error:
            raise notes.refuse(
                "cannot be read as Parquet: its pages take more memory than they may by their "
                "headers, so it is damaged, or the machine has less free than it said"
            ) from error
        except (OSError, ValueError, pa.ArrowException) as error:
            raise undecodable(notes, error) from error


def undecodable(notes: Notes, error: Exception) -> ConfigError:
    """What the decoder says, as one line."""
    return notes.refuse(f"cannot be read as Parquet: it is damaged ({in_a_line(error)})")


def _read(source: FileIO, most: int, notes: Notes) -> Read:
    file, left_out = _opened(source, notes)
    metadata, leaves = file.parquet.metadata, [root.leaf for root in file.chosen]
    if not metadata.num_rows:
        raise notes.refuse("it has no rows")
    check_values(metadata.num_rows, len(file.chosen), most, notes)
    extents = extents_of(source, metadata, leaves, notes)
    expanded = sum(extent.total for extent in extents.values())
    check_bytes(expanded, most, "its pages expand to", notes)
    check_memory(expanded + max((each.largest for each in extents.values()), default=0), notes)
    arrays = [_array(file, n, extents, most, notes) for n in range(len(file.chosen))]
    for root, array in zip(file.chosen, arrays, strict=True):
        if len(array) != metadata.num_rows:
            raise ValueError(
                f"column {root.name!r} has {len(array):,} of {metadata.num_rows:,} rows"
            )
    names = tuple(root.name.strip() for root in file.chosen)
    return Read(names, arrays, metadata.num_rows, left_out)


def _opened(source: FileIO, notes: Notes) -> tuple[_File, dict[str, str]]:
    from pyarrow import parquet

    roots = roots_of(source, notes)
    again = next((name for name, n in Counter(root.name for root in roots).items() if n > 1), None)
    if again is not None:
        raise notes.refuse(f"several columns named {again!r}: give each its own name")
    file = words = parquet.ParquetFile(source, pre_buffer=False)
    columns = file.schema_arrow
    if len(columns) != len(roots):
        raise ValueError("its two descriptions of the columns differ")
    kinds = {
        root: _kind(columns.field(n), root, file.schema.column(root.leaf))
        for n, root in enumerate(roots)
    }
    chosen = [root for root, kind in kinds.items() if kind in (_TEXT, _NUMBER)]
    texts = frozenset(n for n, root in enumerate(chosen) if kinds[root] == _TEXT)
    if texts:
        # As words by number: written out, a text of a page may be repeated in each row.
        words = parquet.ParquetFile(
            source,
            metadata=file.metadata,
            pre_buffer=False,
            read_dictionary=[chosen[n].name for n in texts],
        )
    left_out = {root.name: kind for root, kind in kinds.items() if root not in chosen}
    return _File(file, words, chosen, texts), left_out


def _kind(field: Any, root: Root, stored: Any) -> str:
    """Whether a column holds numbers, times included, or text; otherwise why it is left out."""
    import pyarrow as pa

    kind = field.type
    if not root.is_flat or pa.types.is_nested(kind):
        return "a nested column"
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _TEXT
    if not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
        return "no numbers"
    is_long = stored.physical_type == "BYTE_ARRAY" or stored.length > _LONGEST_NUMBER
    return "numbers of any length" if is_long else _NUMBER


def _array(
    file: _File, at: int, extents: Mapping[tuple[int, int], Extent], most: int, notes: Notes
) -> Any:
    """A column of all row groups as one array: of text, of times, or of numbers."""
    import pyarrow as pa

    leaf = file.chosen[at].leaf
    if at not in file.texts:
        # By leaf: `read_column` counts otherwise where columns are nested, and then crashes.
        groups = range(file.parquet.num_row_groups)
        own = Extent(
            sum(extents[n, leaf].total for n in groups),
            max(extents[n, leaf].largest for n in groups),
        )
        with memory.bounded(_need(own, file.parquet.metadata.num_rows)):
            whole = file.parquet.reader.read_row_groups(
                groups, column_indices=[leaf], use_threads=False
            )
        return _plain(whole.column(0).combine_chunks())
    chunks, size = list[Any](), 0
    for group in range(file.parquet.num_row_groups):
        for part in _parts(file, group, leaf, extents[group, leaf]):
            length = _length(part)
            if length is None:
                raise notes.refuse(
                    f"column {file.chosen[at].name!r} holds text that is not UTF-8, in row group "
                    f"{group + 1}"
                )
            check_memory(2 * length, notes)
            size += length
            check_bytes(size, most, f"column {file.chosen[at].name!r} holds text of", notes)
            if size > _LONGEST_TEXT:
                raise notes.refuse(
                    f"column {file.chosen[at].name!r} holds more than 2 GB of text: export a "
                    "shorter time"
                )
            chunks.append(part)
    check_memory(2 * size, notes)
    return pa.concat_arrays([_written(chunk).cast(pa.string()) for chunk in chunks])


def _parts(file: _File, group: int, leaf: int, extent: Extent) -> Iterator[Any]:
    """A column of text in a row group, as words by number or else plain."""
    count = file.parquet.metadata.row_group(group).num_rows
    if not extent.is_delta:
        with memory.bounded(_need(extent, count)):
            read = file.words.reader.read_row_group(group, column_indices=[leaf], use_threads=False)
        yield from read.column(0).chunks
        return
    rows = min(_ROWS_AT_ONCE, max(1, _AT_ONCE // max(1, extent.largest)))
    batches = file.parquet.reader.iter_batches(
        rows, row_groups=[group], column_indices=[leaf], use_threads=False
    )
    while True:
        with memory.bounded(_AT_ONCE + _need(extent, count)):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch.column(0)


def _need(extent: Extent, rows: int) -> int:
    """The most bytes of memory of a column while it is decoded."""
    return _COPIES * (extent.total + extent.largest + rows * BYTES_A_VALUE)


def _length(words: Any) -> int | None:
    """Bytes of text once it is written out; None if it is not UTF-8."""
    import pyarrow as pa
    from pyarrow import compute

    is_numbered = pa.types.is_dictionary(words.type)
    texts = words.dictionary if is_numbered else words
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return None
    lengths = compute.binary_length(texts).cast(pa.int64())
    return int(compute.sum(lengths.take(words.indices) if is_numbered else lengths).as_py() or 0)


def _written(column: Any) -> Any:
    """A column with what it holds by number written out."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _plain(column: Any) -> Any:
    """A column of numbers or times, decimals as floats."""
    import pyarrow as pa

    column = _written(column)
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
