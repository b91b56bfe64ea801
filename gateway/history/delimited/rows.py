"""The rows of a text file as columns of text.

Promises
- Lines that are not rows are skipped, counted and named with their numbers and the reason. Where
  more than a tenth would be, the file is refused.
- The number of each row's line is kept.
"""

import io
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gateway.api.model import Indices
from gateway.api.wording import in_a_line
from gateway.history.delimited.cells import is_data, trimmed
from gateway.history.delimited.layout import BLANKS, Layout, fields, is_comment, is_open
from gateway.history.reading import Notes, quoted

MOST_SKIPPED = 0.1
"""Share of lines that may be skipped."""
_BLOCK = 1 << 22
_SAMPLE = 300
_FEW = 5
"""Rows from which the last one is compared with the others."""
_MOST_JOINED = 50
"""Lines of one quoted field."""


class Rows(NamedTuple):
    """Columns of text, as Arrow arrays, and the number of each row's line."""

    columns: list[Any]
    numbers: Indices


def read_rows(lines: Sequence[str], layout: Layout, notes: Notes) -> Rows:
    """The rows below the header; ConfigError if too many lines are not rows."""
    import pyarrow as pa

    for are_quotes_odd in (False, True):
        # A quoted separator in one line makes up for a missing one: then each quote is looked at.
        kept, numbers = _kept(lines, layout, notes, are_quotes_odd=are_quotes_odd)
        if not kept:
            raise notes.refuse("there are no rows below the header")
        try:
            return Rows(_columns(kept, layout), np.array(numbers, dtype=np.int64))
        except pa.ArrowInvalid as error:
            why = in_a_line(error)
    raise notes.refuse(f"not a table with {len(layout.names)} fields in each row: {quoted(why)}")


def _kept(
    lines: Sequence[str], layout: Layout, notes: Notes, *, are_quotes_odd: bool
) -> tuple[list[str], list[int]]:
    """The lines that are rows, each with as many fields as the header, and their numbers."""
    skipped: dict[str, list[int]] = defaultdict(list)
    kept, numbers = list[str](), list[int]()
    last = _last(lines)
    begin = layout.first
    for odd in [*_odd(lines, layout, are_quotes_odd=are_quotes_odd), len(lines)]:
        if odd < begin:
            continue
        kept += lines[begin:odd]
        numbers += range(begin + 1, odd + 1)
        if odd == len(lines):
            break
        line, begin = lines[odd], odd + 1
        if is_open(line):
            line, begin = _joined(line, lines, begin)
        mended, why = _mended(line, layout, len(layout.names), is_last=begin > last)
        if why is not None:
            skipped[why].append(odd + 1)
        if mended is not None:
            kept.append(mended)
            numbers.append(odd + 1)
    if kept and numbers[-1] == len(lines) and _is_cut(kept, layout.delimiter):
        # The last line has no end, and its last number fewer digits than all others.
        kept.pop()
        skipped["is cut off at the end of the file"].append(numbers.pop())
    _tell(skipped, lines, len(kept), notes)
    return kept, numbers


def _is_cut(kept: Sequence[str], delimiter: str) -> bool:
    """Whether the last row ends within a number: all others have more digits there."""
    some = [kept[n] for n in np.linspace(0, len(kept) - 2, _SAMPLE).astype(int)] if kept[1:] else []
    digits = [_digits(line, delimiter) for line in some]
    return len(kept) > _FEW and _digits(kept[-1], delimiter) < min(digits)


def _digits(line: str, delimiter: str) -> int:
    """How many digits stand behind the separator of a line's last number."""
    return len(re.split(r"[.,]", trimmed(line.rsplit(delimiter, 1)[-1]))[-1]) * (
        re.search(r"\d[.,]\d*$", trimmed(line.rsplit(delimiter, 1)[-1])) is not None
    )


def _odd(lines: Sequence[str], layout: Layout, *, are_quotes_odd: bool) -> list[int]:
    """Indices of the lines that are not plainly a row: quotes, comments, another width."""
    delimiter, between, aside = layout.delimiter, len(layout.names) - 1, layout.not_data
    if delimiter == BLANKS:
        return list(range(layout.first, len(lines)))
    return [
        n
        for n, line in enumerate(lines[layout.first :], layout.first)
        if line.count(delimiter) != between
        or line.count('"') % 2
        or (are_quotes_odd and '"' in line)
        or line[:1] in ("", "#", "/")
        or line in aside
    ]


def _last(lines: Sequence[str]) -> int:
    """The index of the last line that is not blank."""
    return next((n for n in range(len(lines) - 1, -1, -1) if lines[n].strip()), 0)


def _joined(line: str, lines: Sequence[str], index: int) -> tuple[str, int]:
    """A line with those that its quoted field goes on in; by itself if the quote never closes."""
    for after in range(index, min(index + _MOST_JOINED, len(lines))):
        if lines[after].count('"') % 2:
            return "\n".join([line, *lines[index : after + 1]]), after + 1
    return line.replace('"', ""), index


def _mended(
    line: str, layout: Layout, width: int, *, is_last: bool
) -> tuple[str | None, str | None]:
    """The line with as many fields as the header, or None with the reason; no reason if blank."""
    delimiter = layout.delimiter
    if not line.strip(f" \t{delimiter}"):
        return None, None
    if line.strip() in layout.not_data:
        return None, "repeat the header"
    if is_comment(line):
        return None, "are comments"
    cells = fields(line, delimiter)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) == width:
        return _written(cells, delimiter), None
    if len(cells) < width:
        is_cut = is_last and is_data(trimmed(cells[0]))
        return None, "is cut off at the end of the file" if is_cut else "have too few fields"
    return None, "have too many fields"


def _written(cells: Sequence[str], delimiter: str) -> str:
    between = "\t" if delimiter == BLANKS else delimiter
    return between.join(
        '"' + cell.replace('"', '""') + '"' if between in cell or '"' in cell else cell
        for cell in cells
    )


def _tell(skipped: dict[str, list[int]], lines: Sequence[str], kept: int, notes: Notes) -> None:
    wrong = sum(map(len, skipped.values()))
    for why, numbers in skipped.items():
        text = quoted(lines[numbers[0] - 1].strip())
        too_many = wrong > MOST_SKIPPED * (kept + wrong) and (wrong > 2 or not kept)
        if "fields" in why and too_many:
            raise notes.refuse(
                f"{notes.rows(numbers)} {_form(why, len(numbers))}, of {kept + wrong} in all, such "
                f"as {text}: if numbers have a decimal comma, the columns must be set apart by ';' "
                "or a tab"
            )
        notes.say(f"{notes.rows(numbers)} skipped, which {_form(why, len(numbers))}: {text}")


def _form(why: str, count: int) -> str:
    if count > 1:
        return why
    for plural, singular in (
        ("have ", "has "),
        ("are comments", "is a comment"),
        ("repeat ", "repeats "),
    ):
        if why.startswith(plural):
            return singular + why.removeprefix(plural)
    return why


def _columns(kept: Sequence[str], layout: Layout) -> list[Any]:
    """The fields of lines of equal width, as one column of text each."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(n) for n in range(len(layout.names))]
    data = "\n".join(kept).encode()
    longest = 8 * max(map(len, kept))
    table = csv.read_csv(
        io.BytesIO(data),
        read_options=csv.ReadOptions(column_names=names, block_size=_BLOCK + longest),
        parse_options=csv.ParseOptions(
            delimiter="\t" if layout.delimiter == BLANKS else layout.delimiter,
            newlines_in_values=len(kept) <= data.count(b"\n"),
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    return [column.combine_chunks() for column in table.columns]
