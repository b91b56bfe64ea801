"""The buffer's place on the disk: noticing that it is gone, and putting the buffer back.

Promises
- Nothing is stored or leased while a file of the buffer, or the state folder, is not the one that
  was opened, or the disk is read-only.
- What comes back within `BACK_AFTER_S` is simply used again. After that the buffer is put back: the
  folder is made and locked if need be, and everything in the open files is copied to new ones.
- What stands in the place by then is set aside under another name, never written to or deleted. A
  symbolic link, another user's folder and one that another daemon has locked are left alone.
- What the old files no longer give is counted as lost.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import structlog

from gateway.api import private
from gateway.api.contracts import AndonError, Fatal
from gateway.api.durable import make_folder
from gateway.api.model import Nanos
from gateway.buffer.database import Database, is_damage, open_database
from gateway.buffer.errors import BufferRefused
from gateway.buffer.open_files import OpenFiles
from gateway.buffer.repair import replace as replacement
from gateway.buffer.state_folder import StateFolder, Taken

log = structlog.get_logger()

BACK_AFTER_S = 5.0
"""Long enough for a folder that is moved there and back, and for a look at /readyz."""


class Place:
    """The place of the buffer at `path`, in the daemon's locked folder if it has one."""

    def __init__(
        self,
        path: Path,
        folder: StateFolder | None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._folder, self._timer = path, folder, timer
        self._due = 0.0
        self.why = ""
        """Why nothing is stored; empty while the buffer is in its place."""

    def is_due(self, files: OpenFiles) -> bool:
        """Whether the buffer must be put back; BufferRefused while it cannot be used as it is."""
        read_only = ""
        why = self._misplaced(files)
        if not why and self._folder is not None:
            why = read_only = self._folder.read_only()
        if not why:
            if self.why:
                log.info("buffer.in_place")
            self.why = ""
            return False
        if not self.why:
            log.error("buffer.misplaced", why=why)
            self._due = self._timer() + BACK_AFTER_S
            self.why = why
        if read_only or self._timer() < self._due:
            raise BufferRefused(self.why)
        return True

    def _misplaced(self, files: OpenFiles) -> str:
        return (self._folder.misplaced() if self._folder is not None else "") or files.misplaced()

    def put_back(self, db: Database, now: Nanos) -> Path | None:
        """Copies the open database to its place; the new path of what stood there, if anything.

        BufferRefused if that cannot be done now, Fatal if another daemon has the place.
        """
        self._due = self._timer() + BACK_AFTER_S
        try:
            self._take_folder()
            partial = self._copied(db)
            gone = replacement.swap_in(self._path, partial, now)
            _remove_ours(db.files, gone)
        except Taken as error:
            raise Fatal(str(error)) from error
        except (OSError, sqlite3.Error, AndonError) as error:
            words = getattr(error, "strerror", None) or error
            raise BufferRefused(f"{self.why}; it cannot be put back: {words}") from error
        return gone if os.path.lexists(gone) else None

    def _take_folder(self) -> None:
        if self._folder is None:
            make_folder(self._path.parent)
        elif self._folder.misplaced():
            self._folder.take()

    def _copied(self, db: Database) -> Path:
        """A complete copy beside the place; an empty one if the open files cannot be read."""
        partial = replacement.unfinished(self._path)
        os.close(private.new_file(partial))
        try:
            with closing(sqlite3.connect(partial)) as copy:
                db.backup(copy)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            log.error("buffer.unreadable", why=str(error))
            partial = replacement.unfinished(self._path)
            open_database(partial).close()
        return partial


def _remove_ours(files: OpenFiles, gone: Path) -> None:
    """Deletes what was set aside, if it is the file that was copied."""
    for ending in ("", "-wal"):
        path = gone.with_name(gone.name + ending)
        if files.has(path):
            path.unlink()
