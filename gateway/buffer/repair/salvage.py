"""What can be read out of a damaged database and its log: all that is sound in them.

Promises
- Neither SQLite nor the file's structure is asked: each page is read for itself, and a row, a
  checkpoint or a cursor on it is one if its CRC says so.
- Of a page that is in the log too the newest state counts, even a damaged one: what was deleted
  does not come back because its neighbour was hit.
- A checkpoint that a lost page of the log may have replaced is not taken: no alarm goes back.
- The files are only read.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from gateway.api.model import Kind
from gateway.buffer.repair import pages as cells
from gateway.buffer.repair import wal as frames
from gateway.buffer.repair.high_water import Mark
from gateway.buffer.repair.wal import PAGE

_FIRST = 16
"""The page that says how far the numbers have come is one of so many at the beginning."""


class DamagedDatabase:
    """A database that may be damaged, and its log. OSError where they cannot be read."""

    def __init__(self, path: Path) -> None:
        log = path.with_name(path.name + "-wal")
        self.log = frames.read(_readable(log) if log.exists() else b"")
        self._newest: dict[int, bytes] = {}
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.pages = -(-os.fstat(self._file).st_size // PAGE)
        """Those of the database, without its log."""
        self._log = [(self._settled(frame), frame.page) for frame in self.log.frames]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def hides(self, marks: Mapping[Kind, Mark]) -> bool:
        """Whether SQLite would drop what somebody was told is stored."""
        if self.log.hidden == 1:
            # It may be a torn one, which nobody was told of.
            known = self._last_numbers()
            return any(mark.next > known.get(kind, 0) + 1 for kind, mark in marks.items())
        return self.log.hidden > 1 or (not self.pages and self.log.frames != [])

    def _last_numbers(self) -> Mapping[Kind, int]:
        """How far the numbers of each class have come in what SQLite would replay."""
        replayed = [frame.page for frame in self.log.frames[: self.log.replayed]]
        pages = [*reversed(replayed), *map(self._on_disk, range(1, _FIRST))]
        return next(filter(None, map(cells.last_numbers, pages)), {})

    def _settled(self, frame: frames.Frame) -> tuple[int, ...]:
        """The page's number; several where even its rows do not tell which of them it is."""
        numbers = frame.numbers
        if len(numbers) > 1:
            rows = self._rows_on(frame.page)
            if len(rows) < cells.how_many(frame.page):
                # A row on it is damaged: so the page was hit, and not what stands ahead of it.
                numbers = numbers[:1]
            akin = tuple(n for n in numbers if rows & self._rows_on(self._page(n)))
            numbers = akin if len(akin) == 1 else numbers
        if len(numbers) == 1:
            self._newest[numbers[0]] = frame.page
        return numbers

    def _rows_on(self, page: bytes) -> set[tuple[Kind, int]]:
        """What tells one page of rows from another: no row is on two of them."""
        return {(row.kind, row.key) for row in cells.read(page, self._page).rows} if page else set()

    def content(self) -> Iterator[cells.Found]:
        """What is sound, page by page; the checkpoints of all of them at last."""
        checkpoints: dict[str, tuple[tuple[int, ...], cells.Checkpoint]] = {}
        for numbers, page in self._pages():
            if len(numbers) != 1:
                checkpoints = {
                    name: (found_on, row)
                    for name, (found_on, row) in checkpoints.items()
                    if numbers and not set(numbers) & set(found_on)
                }
            found = cells.read(page, self._page)
            checkpoints |= {row[0]: (numbers, row) for row in found.checkpoints}
            yield cells.Found(found.rows, cursors=found.cursors)
        yield cells.Found(checkpoints=[row for _, row in checkpoints.values()])

    def _pages(self) -> Iterator[tuple[tuple[int, ...], bytes]]:
        """Each page as it was last, those of the database first, with the numbers it may have."""
        for number in range(1, self.pages + 1):
            if number not in self._newest:
                yield (number,), self._on_disk(number)
        for numbers, page in self._log:
            if len(numbers) != 1 or page is self._newest[numbers[0]]:
                yield numbers, page

    def _page(self, number: int) -> bytes:
        """A page as it was last, nothing if there is none."""
        if number in self._newest:
            return self._newest[number]
        return self._on_disk(number) if 0 < number <= self.pages else b""

    def _on_disk(self, number: int) -> bytes:
        """A page of the database; what the disk will not give is zero."""
        return _piece(self._file, number - 1).ljust(PAGE, b"\0")


def _readable(path: Path) -> bytes:
    """The file's content; what the disk will not give is zero."""
    with path.open("rb") as file:
        pieces = -(-os.fstat(file.fileno()).st_size // PAGE)
        return b"".join(_piece(file.fileno(), number) for number in range(pieces))


def _piece(file: int, number: int) -> bytes:
    try:
        return os.pread(file, PAGE, number * PAGE)
    except OSError:
        return bytes(PAGE)
