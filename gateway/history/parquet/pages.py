"""The pages of a Parquet file, whose headers say what they expand to.

Promises
- What the chosen columns expand to is known before any page is decompressed: the decoder takes each
  header at its word, and a few bytes may claim 2 GB.
- Row counts agree: those of the file, its row groups, their columns and the pages.
"""

from collections.abc import Sequence
from io import FileIO
from typing import Any, NamedTuple

from gateway.api.contracts import ConfigError
from gateway.history.files import at, size_of
from gateway.history.parquet.thrift import Compact, Malformed
from gateway.history.reading import Notes

_MOST_PAGES = 200_000
_HEADER, _LONGEST_HEADER = 1 << 12, 1 << 20
_TYPE, _EXPANDED, _COMPRESSED, _DATA, _DICTIONARY, _DATA_V2 = 1, 2, 3, 5, 7, 8
_VALUES, _ENCODING = 1, {_DATA: 2, _DATA_V2: 4}
_DELTAS = (6, 7)
"""DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY."""


class Extent(NamedTuple):
    """What the pages of a column in a row group expand to, in bytes."""

    total: int = 0
    largest: int = 0
    is_delta: bool = False
    """Texts may repeat those before them, so that a few bytes are many texts as long as the page;
    and pyarrow cannot read them as words by number."""


class _Page(NamedTuple):
    begin: int
    """Of its content, behind the header."""
    expanded: int
    compressed: int
    values: int
    is_delta: bool


def extents_of(
    file: FileIO, metadata: Any, leaves: Sequence[int], notes: Notes
) -> dict[tuple[int, int], Extent]:
    """By row group and leaf, what the pages expand to; ConfigError if they contradict it.

    Nothing is decompressed.
    """
    end = size_of(file) - 8
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise _damaged(notes, f"it claims {metadata.num_rows:,} rows, and its row groups others")
    found, pages = dict[tuple[int, int], Extent](), 0
    for n, group in enumerate(groups):
        if group.num_columns <= max(leaves, default=-1):
            raise _damaged(notes, f"row group {n + 1} has {group.num_columns} columns")
        for leaf in leaves:
            where = f"row group {n + 1}, column {leaf + 1}"
            chunk = group.column(leaf)
            if chunk.num_values != group.num_rows or group.num_rows < 0:
                said = f"{chunk.num_values:,} values are claimed, and {group.num_rows:,} rows"
                raise _damaged(notes, f"{where}: {said}")
            try:
                found[n, leaf], count = _extent(file, end, chunk, _MOST_PAGES - pages)
            except Malformed as error:
                raise _damaged(notes, f"{where}: {error}") from error
            pages += count
    return found


def _damaged(notes: Notes, why: str) -> ConfigError:
    return notes.refuse(f"cannot be read as Parquet: it is damaged ({why})")


def _extent(file: FileIO, end: int, chunk: Any, most: int) -> tuple[Extent, int]:
    """What the pages of a chunk expand to, and their number."""
    begin = int(chunk.data_page_offset)
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < begin:
        begin = int(chunk.dictionary_page_offset)
    stop = begin + int(chunk.total_compressed_size)
    if not 4 <= begin <= stop <= end:
        raise Malformed(f"its pages are said to be at bytes {begin:,} to {stop:,}")
    extent, values, count = Extent(), 0, 0
    while begin < stop and values < chunk.num_values:
        page = _page(file, begin, stop)
        begin, values, count = page.begin + page.compressed, values + page.values, count + 1
        extent = Extent(
            extent.total + page.expanded,
            max(extent.largest, page.expanded),
            extent.is_delta or page.is_delta,
        )
        if count > most:
            raise Malformed(f"more than {_MOST_PAGES:,} pages")
    if values != chunk.num_values:
        raise Malformed(f"{chunk.num_values:,} values are claimed, and its pages have {values:,}")
    return extent, count


def _page(file: FileIO, begin: int, stop: int) -> _Page:
    for length in (_HEADER, _LONGEST_HEADER):
        try:
            page = _parsed(at(file, begin, min(length, stop - begin)), begin)
            break
        except Malformed:
            if length == _LONGEST_HEADER or length >= stop - begin:
                raise
    if page.expanded < 0 or page.compressed < 0 or page.values < 0:
        raise Malformed(f"a page at byte {begin:,} has a negative size")
    if page.begin + page.compressed > stop:
        raise Malformed(f"a page at byte {begin:,} is longer than its column")
    return page


def _parsed(data: bytes, begin: int) -> _Page:
    source, sizes = Compact(data), {_EXPANDED: -1, _COMPRESSED: -1}
    values, is_delta, seen = 0, False, set[int]()
    for number, kind in source.fields():
        if number in seen and number in (*sizes, *_ENCODING):
            raise Malformed(f"a page at byte {begin:,} has a part of its header twice")
        seen.add(number)
        if number in sizes:
            sizes[number] = int(source.value(kind) or 0)
        elif number in _ENCODING:
            if len(seen.intersection(_ENCODING)) > 1:
                raise Malformed(f"a page at byte {begin:,} has two headers")
            inner = {key: source.value(of) for key, of in source.fields()}
            values = int(inner.get(_VALUES) or 0)
            is_delta = inner.get(_ENCODING[number]) in _DELTAS
        else:
            source.skip(kind)
    return _Page(begin + source.at, sizes[_EXPANDED], sizes[_COMPRESSED], values, is_delta)
