"""The layout of a text file: what separates its fields, where the header is, where rows begin."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.history.delimited.cells import is_data, is_missing, is_number, is_time, trimmed
from gateway.history.extent import MOST_COLUMNS, check_columns
from gateway.history.reading import Notes, quoted
from gateway.history.times.names import is_time_name

BLANKS = " "
"""The delimiter of a file whose columns are set apart by one or more blanks."""
_DELIMITERS = (";", "\t", "|", ",")
_SAMPLE = 300
_SAMPLE_LENGTH = 3_000_000
"""Characters of the lines that are looked at, but for a few lines."""
_FEW = 10
_SEPARATES = re.compile(r"[!#-,/:-@\[-`{-~\t ]")
"""What may stand between fields: neither letter, digit, quote, point nor sign."""
_ENOUGH, _NONE = 0.5, 0.25
"""Scores from which a delimiter fits, and below which it does not."""
_HEAD = 200
"""Lines within which the rows must begin."""
_UNIT = re.compile(
    r"[\[(<]?(|[%‰°]|[°º]?[CFK]|[\w°µμΩ%²³]{1,5}([/·*^.-]+[\w²³°]{1,5}){0,3}"
    r"|[YyMmDdHhSsTt:./ -]{4,}"
    r"|float\d*|double|real|u?int\d*|integer|bool\w*|number|dateTime(:RFC3339)?|string|text|n/?a|-+)"
    r"[\])>]?"
)


class Layout(NamedTuple):
    """Delimiter and header of a text file."""

    delimiter: str
    names: tuple[str, ...]
    header: int
    """Index of the header's line."""
    first: int
    """Index of the first line behind header and units."""
    not_data: frozenset[str]
    """Header and units, as they may stand again between the rows."""


def fields(line: str, delimiter: str) -> list[str]:
    """The fields of one line."""
    if delimiter == BLANKS:
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        # A field of more than 131,072 characters.
        return line.split(delimiter)


def layout_of(lines: Sequence[str], notes: Notes) -> Layout:
    """The layout of these lines; ConfigError if they are not a table with a header."""
    asked = re.fullmatch(r"\"?sep=(.)\"?", lines[0].strip(), re.IGNORECASE) if lines else None
    if asked and not _SEPARATES.fullmatch(asked[1]):
        raise notes.refuse(
            f"line 1 names {asked[1]!r} as separator: it must be ',', ';', '|' or a tab"
        )
    begin = 1 if asked else 0
    sample = _sample(lines[begin:])
    delimiter = asked[1] if asked else _delimiter(sample)
    if len(sample) == 1 and delimiter is None and len(re.split("[,;\t|]", sample[0])) > 1:
        raise notes.refuse(f"there are no rows below the header, {quoted(sample[0])}")
    if delimiter is None:
        first = next((line for line in lines if line.strip()), "")
        raise notes.refuse(
            "not a table: it must hold a column of times and at least one column of values, with "
            f"',', ';', '|' or a tab between them; it has one column, {quoted(first.strip())}"
        )
    rows = [fields(line, delimiter) for line in sample]
    width = _width(rows)
    check_columns(width, notes)
    rows = [_cells(row) for row in rows if len(row) == width]
    start = _first_row(lines, begin, delimiter, width, _typical(rows, width))
    if start is None:
        raise notes.refuse(
            f"no header was found within {_HEAD} lines, with a name for each of {width} columns"
        )
    return _with_header(lines, begin, start, delimiter, width, notes)


def _sample(lines: Sequence[str]) -> list[str]:
    some = np.unique(np.linspace(0, len(lines) - 1, _SAMPLE).astype(int)).tolist() if lines else []
    sample = [lines[n] for n in some if lines[n].strip() and not is_comment(lines[n])]
    # A table with many columns is known by few of its lines.
    few = max(_FEW, _SAMPLE_LENGTH * len(sample) // max(1, sum(map(len, sample))))
    return sample[:: -(-len(sample) // few)] if len(sample) > few else sample


def with_whole_headers(lines: list[str]) -> list[str]:
    """The lines, those of a quoted name that goes on joined to one, and blank after it."""
    for n in range(min(len(lines), _HEAD) - 1):
        after = n + 1
        while is_open(lines[n]) and after < min(n + 5, len(lines)):
            lines[n], lines[after] = f"{lines[n]} {lines[after]}", ""
            after += 1
    return lines


def is_open(line: str) -> bool:
    """Whether a quoted field goes on in the next line; a lone quote within a field does not."""
    if not line.count('"') % 2:
        return False
    return re.search(r'(^|[,;\t|])\s*"', re.sub(r'"(?:[^"]|"")*"', "", line)) is not None


def is_comment(line: str) -> bool:
    """Whether a line is a comment, as loggers write them."""
    return line.lstrip().startswith(("#", "//"))


def _delimiter(sample: Sequence[str]) -> str | None:
    score = {delimiter: _score(sample, delimiter) for delimiter in _DELIMITERS}
    best = max(score, key=lambda delimiter: score[delimiter])
    if score[best] >= _ENOUGH:
        return best
    if score[best] < _NONE and _score(sample, BLANKS) > _ENOUGH:
        return BLANKS
    return best if score[best] > 0 else None


def _score(sample: Sequence[str], delimiter: str) -> float:
    """How well this delimiter fits: rows of equal width, and cells that are numbers or times."""
    rows = [fields(line, delimiter) for line in sample]
    width = _width(rows)
    if width < 2:
        return 0.0
    alike = [row for row in rows if len(row) == width]
    if width > MOST_COLUMNS:
        return len(alike) / len(rows)
    known = sum(is_data(trimmed(cell)) for row in alike for cell in row)
    return len(alike) / len(rows) * known / (len(alike) * width)


def _width(rows: Sequence[Sequence[str]]) -> int:
    counts = Counter(len(row) for row in rows)
    return max(counts, key=lambda width: (counts[width] * (width > 1), width), default=0)


def _cells(row: Sequence[str]) -> list[str]:
    return [trimmed(cell) for cell in row]


def _typical(rows: Sequence[Sequence[str]], width: int) -> tuple[list[int], list[int]]:
    """The columns that mostly hold times, and those that mostly hold numbers."""
    times, numbers = [], []
    for column in range(width):
        cells = [row[column] for row in rows if not is_missing(row[column])]
        if not cells:
            continue
        if sum(map(is_number, cells)) * 2 > len(cells):
            numbers.append(column)
        elif sum(map(is_time, cells)) * 3 >= len(cells):
            times.append(column)
    return times, numbers


def _first_row(
    lines: Sequence[str], begin: int, delimiter: str, width: int, typical: tuple[list[int], ...]
) -> int | None:
    """The index of the first line whose cells are those of a row."""
    times, numbers = typical
    for index in range(begin, min(len(lines), begin + _HEAD)):
        if is_comment(lines[index]):
            continue
        cells = _cells(fields(lines[index], delimiter))
        if len(cells) != width:
            continue
        if times:
            if all(is_time(cells[column]) for column in times):
                return index
        elif numbers:
            fit = [is_number(cells[n]) for n in numbers if not is_missing(cells[n])]
            if fit and all(fit):
                return index
    return None if times or numbers else min(len(lines), begin + 1)


def _with_header(
    lines: Sequence[str], begin: int, start: int, delimiter: str, width: int, notes: Notes
) -> Layout:
    header = _header(lines, begin, start, delimiter, width)
    if header is None:
        above = next((n for n in range(start - 1, begin - 1, -1) if lines[n].strip()), None)
        if above is not None and (count := len(fields(lines[above], delimiter))) > 1:
            raise notes.refuse(
                f"line {above + 1} has {count} fields and line {start + 1} has {width}: each row "
                "needs as many fields as the header; if numbers have a decimal comma, the columns "
                "must be set apart by ';' or a tab"
            )
        raise notes.refuse(
            f"line {start + 1} already holds data: write a line above it with a name for each "
            f"of its {width} columns"
        )
    names = _cells(fields(lines[header].lstrip("#").lstrip(), delimiter))
    while len(names) > 2 and not names[-1]:
        names.pop()
    before = [n for n in range(begin, header) if lines[n].strip()]
    between = [n for n in range(header + 1, start) if lines[n].strip()]
    if before:
        notes.say(
            f"{notes.rows([n + 1 for n in before])} before the header skipped, such as "
            f"{quoted(lines[before[0]].strip())}"
        )
    if between:
        notes.say(
            f"{notes.rows([n + 1 for n in between])} between header and rows skipped: "
            f"{quoted(lines[between[0]].strip())}"
        )
    aside = frozenset(lines[n].strip() for n in (*before, header, *between))
    return Layout(delimiter, tuple(names), header, start, aside)


def _header(lines: Sequence[str], begin: int, start: int, delimiter: str, width: int) -> int | None:
    """The line of the header: of those directly above the rows, the last that is not units."""
    block = list[tuple[int, list[str], bool]]()
    for index in range(start - 1, begin - 1, -1):
        line = lines[index]
        if not line.strip():
            if block:
                break
            continue
        cells = _cells(fields(line.lstrip("#").lstrip(), delimiter))
        filled = sum(map(bool, cells))
        if abs(len(cells) - width) <= 1 and filled * 2 >= len(cells):
            block.append((index, cells, is_comment(line)))
    plain = [part for part in block if not part[2]] or block
    named = [part for part in plain if any(is_time_name(cell) for cell in part[1])]
    if named:
        # Of several, such as a row of types or a date above, the one with the most names.
        return max(named, key=lambda part: (len(set(part[1]) - {""}), -part[0]))[0]
    for index, cells, _ in plain:
        if not all(_UNIT.fullmatch(cell) for cell in cells):
            return index
    return plain[-1][0] if plain else None
