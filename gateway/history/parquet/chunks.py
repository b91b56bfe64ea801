"""The description of column chunks in a footer, checked before pyarrow opens one.

pyarrow raises from the constructor of a chunk's metadata where nothing can catch it, and the
process is aborted: no such chunk may reach it.

Promises
- A chunk that is encrypted, a row group with another number of chunks than there are columns, and
  size statistics that do not fit their column are `Malformed`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.history.parquet.thrift import STRUCT, Compact, Malformed

_META, _CRYPTO, _ENCRYPTED = 3, 8, 9
_SIZES = 16
_TEXT_BYTES, _REPETITIONS, _DEFINITIONS = 1, 2, 3


class Leaf(NamedTuple):
    """A column as it is stored: its levels of repetition and definition."""

    repetition: int
    definition: int
    is_text: bool


class Sizes(NamedTuple):
    """What the size statistics of a chunk have: lengths of two histograms, 0 for none."""

    repetitions: int = 0
    definitions: int = 0
    has_text: bool = False

    def check(self, leaf: Leaf) -> None:
        """Malformed if they are not those of this column."""
        fits = self.repetitions in (0, leaf.repetition + 1)
        fits &= self.definitions in (0, leaf.definition + 1)
        if not fits or (self.has_text and not leaf.is_text):
            raise Malformed("the size statistics of a column do not fit it")


def chunk(source: Compact) -> Sizes | None:
    """Passes the description of one chunk; its size statistics, None if it has none."""
    sizes = None
    for number, kind in source.fields():
        if number in (_CRYPTO, _ENCRYPTED):
            raise Malformed("a column is encrypted")
        if number != _META or kind != STRUCT:
            source.skip(kind)
            continue
        for inner, of in source.fields():
            if inner == _SIZES and of == STRUCT:
                if sizes is not None:
                    raise Malformed("a column has its size statistics twice")
                sizes = _sizes(source)
            else:
                source.skip(of)
    return sizes


def _sizes(source: Compact) -> Sizes:
    lengths, has_text = {_REPETITIONS: 0, _DEFINITIONS: 0}, False
    for number, kind in source.fields():
        has_text |= number == _TEXT_BYTES
        if number not in lengths:
            source.skip(kind)
            continue
        of, lengths[number] = source.items(kind)
        for _ in range(lengths[number]):
            source.skip(of)
    return Sizes(lengths[_REPETITIONS], lengths[_DEFINITIONS], has_text)


def check_groups(groups: Sequence[tuple[int, dict[int, Sizes]]], leaves: Sequence[Leaf]) -> None:
    """Checks each row group: its number of chunks, and their size statistics by position."""
    for count, by_position in groups:
        if count != len(leaves):
            raise Malformed(f"a row group has {count:,} columns, and the file {len(leaves):,}")
        for position, sizes in by_position.items():
            sizes.check(leaves[position])
