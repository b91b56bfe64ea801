"""One table of `andon top`, which keeps its cursor while its rows change."""

import time
from collections.abc import Sequence

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from gateway.top.rows import Row

JUMP_S = 1.0
"""A key that is pressed so soon after the cursor's row went away was meant for that row."""
# Colours repeat what a word in the row says.
STYLES = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "wrong": "bold yellow",
}


class Pane(DataTable[Text]):
    """Rows without markup; the first of the titles is the pane's."""

    def __init__(self, name: str, titles: Sequence[str], empty: str) -> None:
        super().__init__(id=name, cursor_type="row", zebra_stripes=False, cell_padding=1)
        self._titles, self._empty = titles, empty
        self._shown: list[Row] | None = None
        self._several = False
        self._jumped_at = -JUMP_S
        self.show_cursor = False

    def show(self, rows: list[Row], *, several: bool) -> None:
        """Shows these rows; with `several` lines, each with its line."""
        before = self._shown
        if before is not None and several == self._several and _keys(rows) == _keys(before) != []:
            self._update(before, rows)
        elif rows != before or several != self._several:
            self._fill(rows, several=several)
        self._shown, self._several = rows, several

    def _update(self, before: list[Row], rows: list[Row]) -> None:
        """Changes the cells that differ, so that nothing else moves."""
        for number, (old, new) in enumerate(zip(before, rows, strict=True)):
            if old == new:
                continue
            for column, cell in enumerate(_cells(new, several=self._several)):
                self.update_cell_at(Coordinate(number, column), cell, update_width=True)

    def _fill(self, rows: list[Row], *, several: bool) -> None:
        chosen, top = self.chosen, self.scroll_y
        self.clear(columns=True)
        first, *others = self._titles
        titles = [first, *(["line"] if several else []), *others]
        self.add_columns(*titles)
        for row in rows:
            self.add_row(*_cells(row, several=several))
        if not rows:
            self.add_row(Text(self._empty, style="dim"), *[Text("")] * (len(titles) - 1))
        if chosen is not None and chosen[:2] in _keys(rows):
            self.move_cursor(row=_keys(rows).index(chosen[:2]), animate=False)
        elif chosen is not None:
            self._jumped_at = time.monotonic()
        self.scroll_to(y=top, animate=False)

    @property
    def has_jumped(self) -> bool:
        """Whether the row under the cursor went away just now, and another is in its place."""
        return time.monotonic() - self._jumped_at < JUMP_S

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        rows = self._shown or []
        return rows[self.cursor_row] if 0 <= self.cursor_row < len(rows) else None

    def on_focus(self) -> None:
        self.show_cursor = True

    def on_blur(self) -> None:
        self.show_cursor = False


def _keys(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row.line, row.key) for row in rows]


def _cells(row: Row, *, several: bool) -> list[Text]:
    first, *others = (Text(cell, style=STYLES.get(row.weight, "")) for cell in row.cells)
    return [first, *([Text(row.line)] if several else []), *others]
