"""CSV files beside a line file: devices and tags as rows, each with the line it stands at.

Promises
- A row remembers its file, line and text, so that whatever is wrong with it is said there.
- An empty cell is one that is not given. Numbers and true/false are recognised unless the column
  is known to hold text.
"""

import csv
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.problems import ConfigProblems, Problem, conceal, unreadable

MAX_ROWS = 20_000
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,16}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file other than the line file."""

    file: str
    line: int
    text: str

    def problem(self, path: str, message: str, hint: str = "") -> Problem:
        """A problem of this line."""
        message, hint = conceal(message), conceal(hint)
        return Problem(self.file, self.line, 1, path, message, hint, conceal(self.text))


@dataclass(frozen=True, slots=True)
class Row:
    """The cells that are filled in, by column, as text."""

    place: Place
    cells: Mapping[str, str]


def read_table(path: Path, required: str) -> list[Row]:
    """The rows of a CSV file with a header; ConfigProblems names each line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigProblems([unreadable(path, error)]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigProblems([Problem(str(path), line, 1, "", "not UTF-8 text")]) from error
    lines = text.splitlines()
    # Spreadsheets of half of Europe write semicolons.
    reader = csv.reader(lines, delimiter=_delimiter(lines), skipinitialspace=True, strict=True)
    found: list[Row] = []
    flaws: list[Problem] = []

    def place() -> Place:
        at = min(max(reader.line_num, 1), len(lines)) if lines else 1
        return Place(str(path), at, lines[at - 1] if lines else "")

    try:
        header = [name.strip() for name in next(reader, [])]
        flaws += _header_flaws(header, required, place())
        for cells in reader:
            if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                _add_row(header, cells, place(), found, flaws)
    except csv.Error as error:
        flaws.append(place().problem("", f"not CSV: {error}"))
    if not flaws and not found:
        flaws.append(Place(str(path), 1, "").problem("", "holds no rows below its header"))
    if len(found) > MAX_ROWS:
        flaws.append(found[MAX_ROWS].place.problem("", f"more than {MAX_ROWS} rows"))
    if flaws:
        raise ConfigProblems(flaws)
    return found


def typed(text: str) -> Any:
    """A cell's value: a number, true or false where it looks like one, else its text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _NUMBER.fullmatch(text):
        return float(text)
    return {"true": True, "false": False}.get(text, text)


def typed_cells(row: Row, text_columns: Collection[str], but: str) -> dict[str, Any]:
    """The row as options, without the column `but`."""
    keep: Callable[[str], bool] = text_columns.__contains__
    return {
        name: text if keep(name) else typed(text) for name, text in row.cells.items() if name != but
    }


def _delimiter(lines: list[str]) -> str:
    first = lines[0] if lines else ""
    return ";" if first.count(";") > first.count(",") else ","


def _header_flaws(header: list[str], required: str, place: Place) -> list[Problem]:
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    flaws = [place.problem("", f"the column {name} stands twice in the header") for name in doubled]
    if required not in header:
        hint = "the first line names the columns, separated by commas"
        flaws.append(place.problem("", f"no column {required} in the header", hint))
    return flaws


def _add_row(
    header: list[str], cells: list[str], place: Place, found: list[Row], flaws: list[Problem]
) -> None:
    if len(cells) > len(header):
        hint = "text with a comma stands in double quotes"
        message = f"{len(cells)} cells, but the header names {len(header)} columns"
        flaws.append(place.problem("", message, hint))
        return
    pairs = zip(header, (cell.strip() for cell in cells), strict=False)
    found.append(Row(place, {name: cell for name, cell in pairs if name and cell}))
