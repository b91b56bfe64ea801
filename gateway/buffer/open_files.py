"""The database and its WAL as they were opened: are they still in their place, and whole?

Promises
- Both are plain files under their own names: a symbolic link is refused before SQLite sees it.
- A file that was removed, moved or replaced under the daemon is noticed by `misplaced`, one that
  became shorter by `shortened`; each costs two system calls.
- SQLite's locks are kept: closing any descriptor of a database gives up the locks that the process
  has on it, so the one that is held here is closed last.
"""

import os
from pathlib import Path

from gateway.api import private

_ENDINGS = ("-wal", "-journal", "-shm")
WAL_SIZE = 4 * 2**20
"""Bytes to which SQLite shortens a longer WAL; it never shortens the database."""


class Misplaced(Exception):  # noqa: N818 - a state of the files
    """What is being written would not be found again."""


class OpenFiles:
    """The files of the database at `path`, which is made if there is none. OSError."""

    def __init__(self, path: Path) -> None:
        for ending in _ENDINGS:
            beside = path.with_name(path.name + ending)
            why = private.refusal(beside)
            if why:
                raise OSError(0, why)
        self._file = private.own_file(path)
        self._path, self._wal = path, path.with_name(path.name + "-wal")
        self._opened = {path: os.fstat(self._file)}
        self._sizes: dict[Path, int] = {}

    def head(self, size: int) -> bytes:
        """The first bytes of the database file."""
        return os.pread(self._file, size, 0)

    def note(self) -> None:
        """Takes the files for right as SQLite opened or wrote them, but none that got shorter."""
        if self._wal not in self._opened and self._wal.exists():
            self._opened[self._wal] = self._wal.lstat()
        for path in self._opened:
            size = _size(path)
            least = min(size, WAL_SIZE) if path == self._wal else size
            self._sizes[path] = max(self._sizes.get(path, 0), least)

    def misplaced(self) -> str:
        """Why what SQLite writes would not be found again; empty if it would."""
        whys = (private.misplaced(path, opened) for path, opened in self._opened.items())
        return next(filter(None, whys), "")

    def check(self) -> None:
        """Raises Misplaced if a file is not in its place."""
        why = self.misplaced()
        if why:
            raise Misplaced(why)

    def shortened(self) -> str:
        """Which of the files lost its end, which SQLite did not do; or empty."""
        for path, size in self._sizes.items():
            if 0 <= _size(path) < size:
                return f"{path} was truncated"
        return ""

    def has(self, path: Path) -> bool:
        """Whether one of these files is at that path."""
        return any(not private.misplaced(path, opened) for opened in self._opened.values())

    def close(self) -> None:
        """Closes the descriptor, after SQLite closed its own."""
        os.close(self._file)


def _size(path: Path) -> int:
    """The size of a file; -1 if it is gone."""
    try:
        return path.lstat().st_size
    except OSError:
        return -1
