"""Reads all sound rows from a damaged database and its WAL.

Promises
- Neither SQLite nor the file's structure is used: each page is read by itself, and a row,
  entry of the journal, checkpoint or cursor is accepted if its CRC matches.
- If a page is also in the WAL, its newest state counts, even if damaged: deleted rows do not come
  back because a neighbour is damaged.
- A checkpoint that a lost page of the WAL may have replaced is left out: no alarm goes back to an
  older state.
- The files are only read.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from gateway.api import private
from gateway.buffer.repair import pages, wal
from gateway.buffer.repair.high_water import JOURNAL, Class, Mark
from gateway.buffer.repair.wal import PAGE

_FIRST = 16
"""The page with the last numbers is one of this many at the beginning."""


class DamagedDatabase:
    """A database that may be damaged, with its WAL. OSError if they cannot be opened."""

    def __init__(self, path: Path) -> None:
        log = path.with_name(path.name + "-wal")
        self.wal = wal.read(_readable(log))
        self._newest: dict[int, bytes] = {}
        self._file = private.open_file(path, os.O_RDONLY)
        self.pages = -(-os.fstat(self._file).st_size // PAGE)
        """The number of pages of the database without its WAL."""
        self._log = [(self._resolved(frame), frame.page) for frame in self.wal.frames]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def hides(self, marks: Mapping[Class, Mark]) -> bool:
        """Whether SQLite would drop transactions that were acknowledged as stored."""
        if self.wal.hidden == 1:
            # It may be a torn one, which was never acknowledged.
            known = self._last_numbers()
            return any(mark.next > known.get(kind, 0) + 1 for kind, mark in marks.items())
        return self.wal.hidden > 1 or (not self.pages and self.wal.frames != [])

    def _last_numbers(self) -> Mapping[Class, int]:
        """The last number of each class in the pages that SQLite would replay."""
        replayed = [frame.page for frame in self.wal.frames[: self.wal.replayed]]
        newest_first = [*reversed(replayed), *map(self._on_disk, range(1, _FIRST))]
        return next(filter(None, map(pages.last_numbers, newest_first)), {})

    def _resolved(self, frame: wal.WalFrame) -> tuple[int, ...]:
        """The number of a frame's page; several if even its rows do not decide between them."""
        numbers = frame.numbers
        if len(numbers) > 1:
            rows = self._rows_on(frame.page)
            if len(rows) < pages.row_count(frame.page):
                # A row on it is damaged, so the page was hit and not the frame's header.
                numbers = numbers[:1]
            matching = tuple(n for n in numbers if rows & self._rows_on(self.page(n)))
            numbers = matching if len(matching) == 1 else numbers
        if len(numbers) == 1:
            self._newest[numbers[0]] = frame.page
        return numbers

    def _rows_on(self, page: bytes) -> set[tuple[Class, int]]:
        """The rows on a page, which identify it: no row is on two pages."""
        if not page:
            return set()
        content = pages.read(page, self.page)
        entries: set[tuple[Class, int]] = {(JOURNAL, row[0]) for row in content.journal}
        return entries | {(row.kind, row.key) for row in content.rows}

    def content(self) -> Iterator[pages.PageContent]:
        """The sound content page by page, with the checkpoints of all pages at the end."""
        checkpoints: dict[str, tuple[tuple[int, ...], pages.Checkpoint]] = {}
        for numbers, page in self._pages():
            if len(numbers) != 1:
                checkpoints = {
                    name: (on_pages, row)
                    for name, (on_pages, row) in checkpoints.items()
                    if numbers and not set(numbers) & set(on_pages)
                }
            content = pages.read(page, self.page)
            checkpoints |= {row[0]: (numbers, row) for row in content.checkpoints}
            yield pages.PageContent(content.rows, [], content.cursors, content.journal)
        yield pages.PageContent(checkpoints=[row for _, row in checkpoints.values()])

    def _pages(self) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """The newest state of each page, database first, with its possible numbers."""
        for number in range(1, self.pages + 1):
            if number not in self._newest:
                yield (number,), self._on_disk(number)
        for numbers, page in self._log:
            if len(numbers) != 1 or page is self._newest[numbers[0]]:
                yield numbers, page

    def page(self, number: int) -> bytes:
        """The newest state of a page; empty if there is none."""
        if number in self._newest:
            return self._newest[number]
        return self._on_disk(number) if 0 < number <= self.pages else b""

    def _on_disk(self, number: int) -> bytes:
        """A page of the database file; zeros where the disk cannot read."""
        return _piece(self._file, number - 1).ljust(PAGE, b"\0")


def _readable(path: Path) -> bytes:
    """The content of a file, empty if there is none; zeros where the disk cannot read."""
    try:
        file = private.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        pieces = -(-os.fstat(file).st_size // PAGE)
        return b"".join(_piece(file, number) for number in range(pieces))
    finally:
        os.close(file)


def _piece(file: int, number: int) -> bytes:
    try:
        return os.pread(file, PAGE, number * PAGE)
    except OSError:
        return bytes(PAGE)
