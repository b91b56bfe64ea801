"""CSV files beside a line file: devices and tags as rows, each with its place in the file.

Promises
- A row keeps its file, line and text, so that its problems are reported there.
- An empty cell counts as not given. Numbers and true/false are recognised unless the column is
  known to hold text.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.api.files import FileUnreadable, read_file
from gateway.config.conceal import conceal, shown_line
from gateway.config.problems import ConfigProblems, Named, Problem

MAX_ROWS = 20_000
MAX_BYTES = 8_000_000
MAX_FLAWS = 50
_MAX_COLUMNS = 1_000
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class RowPlace:
    """The place of a row in a file other than the line file; `line` counts from 1."""

    file: str
    line: int
    text: str

    def problem(self, path: str, message: str, hint: str = "") -> Problem:
        """A problem of this row."""
        message, hint = conceal(message), conceal(hint)
        return Problem(self.file, self.line, 1, path, message, hint, shown_line(self.text, None))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its non-empty cells by column, as text."""

    place: RowPlace
    cells: Mapping[str, str]


def read_table(path: Path, required: str, named: Named) -> list[Row]:
    """The rows of a CSV file with a header; ConfigProblems lists the rows that are wrong.

    `named` reports a file that cannot be read where the line file names it.
    """
    lines = _lines(path, named)
    # Spreadsheets write semicolons in locales with a decimal comma.
    reader = csv.reader(lines, delimiter=_delimiter(lines), skipinitialspace=True, strict=True)
    rows: list[Row] = []
    flaws: list[Problem] = []

    header: list[str] = []

    def place() -> RowPlace:
        at = min(max(reader.line_num, 1), len(lines)) if lines else 1
        # A file without this column is another one, by mistake or by a link: it is not shown.
        return RowPlace(str(path), at, lines[at - 1] if lines and required in header else "")

    try:
        header = [name.strip() for name in next(reader, [])]
        flaws += _header_flaws(header, required, place())
        for cells in reader:
            if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                _add_row(header, cells, place(), rows, flaws)
            if len(rows) > MAX_ROWS or len(flaws) > MAX_FLAWS:
                break
    except csv.Error as error:
        flaws.append(place().problem("", f"not CSV: {error}"))
    if not flaws and not rows:
        flaws.append(RowPlace(str(path), 1, "").problem("", "holds no rows below its header"))
    if len(rows) > MAX_ROWS:
        flaws.append(rows[MAX_ROWS].place.problem("", f"more than {MAX_ROWS} rows"))
    if flaws:
        raise ConfigProblems(flaws)
    return rows


def _lines(path: Path, named: Named) -> list[str]:
    try:
        content = read_file(path, MAX_BYTES)
    except FileUnreadable as error:
        raise ConfigProblems([named(error)]) from error
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigProblems([Problem(str(path), line, 1, "", "not UTF-8 text")]) from error


def typed(text: str) -> Any:
    """The value of a cell: a number, true or false if it looks like one, else its text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _NUMBER.fullmatch(text):
        return float(text)
    return {"true": True, "false": False}.get(text, text)


def typed_cells(row: Row, text_columns: Collection[str], but: str) -> dict[str, Any]:
    """The cells of a row as options, without the column `but`."""
    keep: Callable[[str], bool] = text_columns.__contains__
    return {
        name: text if keep(name) else typed(text) for name, text in row.cells.items() if name != but
    }


def _delimiter(lines: list[str]) -> str:
    first = lines[0] if lines else ""
    return ";" if first.count(";") > first.count(",") else ","


def _header_flaws(header: list[str], required: str, place: RowPlace) -> list[Problem]:
    if len(header) > _MAX_COLUMNS:
        return [place.problem("", f"more than {_MAX_COLUMNS:,} columns")]
    duplicates = sorted(name for name, times in Counter(header).items() if name and times > 1)
    if required not in header:
        hint = "the first line names the columns, separated by commas"
        return [place.problem("", f"no column {required} in the header", hint)]
    return [place.problem("", f'duplicate column "{name}" in the header') for name in duplicates]


def _add_row(
    header: list[str], cells: list[str], place: RowPlace, rows: list[Row], flaws: list[Problem]
) -> None:
    if len(cells) > len(header):
        hint = "put text with a comma in double quotes"
        message = f"{len(cells)} cells, but the header names {len(header)} columns"
        flaws.append(place.problem("", message, hint))
        return
    pairs = zip(header, (cell.strip() for cell in cells), strict=False)
    rows.append(Row(place, {name: cell for name, cell in pairs if name and cell}))
