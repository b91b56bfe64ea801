"""High-water marks of each class and of the journal, in a small file beside the database.

SQLite silently drops a damaged tail of its WAL. Rows that this file claims and the database lacks
are reported as lost.

Promises
- A mark is written after its commit: it never claims more than was durable.
- Two slots with a CRC each are written alternately: a torn write leaves the other one intact.
- If the disk refuses this file, the buffer still works; losses are then detected less precisely.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from gateway.api import private
from gateway.api.durable import sync_folder
from gateway.api.model import Kind, Nanos

log = structlog.get_logger()

Class = Kind | Literal["journal"]
"""What is numbered by itself: the points of each class, and the entries of the journal."""
JOURNAL: Final = "journal"

_SLOT = 4096
_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """The state of one class: first and next number, number of rows, time of the newest row.

    `leased` is the highest number that any sink may have received.
    """

    first: int = 1
    next: int = 1
    count: int = 0
    newest_at: Nanos = 0
    leased: int = 0


class HighWaterMarks:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._epoch = 0
        self._open()
        self.stored = self._read()
        self.current: Mapping[Class, Mark] = dict(self.stored)
        """The current marks, whether or not the disk took them."""

    def _open(self) -> None:
        try:
            self._file = private.own_file(self._path)
            if os.fstat(self._file).st_size < 2 * _SLOT:
                # Reserves the space of both slots before the disk is full.
                os.pwrite(self._file, bytes(2 * _SLOT), 0)
                os.fsync(self._file)
                sync_folder(self._path.parent)
        except OSError as error:
            log.warning("buffer.marks_refused", why=error.strerror)

    def _read(self) -> dict[Class, Mark]:
        """The marks of the newest sound slot; empty if there is none."""
        slots = [slot for number in (0, 1) if (slot := self._slot(number)) is not None]
        if not slots:
            return {}
        self._epoch, marks = max(slots, key=lambda slot: slot[0])
        return marks

    def _slot(self, number: int) -> tuple[int, dict[Class, Mark]] | None:
        if self._file is None:
            return None
        try:
            text = os.pread(self._file, _LENGTH, number * _SLOT).rstrip(b"\0")
            crc, body = text.split(b" ", 1)
            if int(crc) != zlib.crc32(body):
                return None
            slot = json.loads(body)
            return slot["turn"], {_class(k): Mark(**mark) for k, mark in slot["marks"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, marks: Mapping[Class, Mark], *, durable: bool) -> None:
        """Writes the marks of the stored rows; with `durable` they survive a power cut."""
        if marks == self.current:
            return
        self.current = dict(marks)
        if self._file is None:
            return
        self._epoch += 1
        slot = {"turn": self._epoch, "marks": {_name(k): asdict(m) for k, m in marks.items()}}
        body = json.dumps(slot).encode()
        text = b"%d %s" % (zlib.crc32(body), body)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, text.ljust(_LENGTH, b"\0"), self._epoch % 2 * _SLOT)
            if durable:
                os.fdatasync(self._file)

    def keep(self) -> None:
        """Writes the marks to a new file if theirs was removed, moved or replaced."""
        if self._file is None:
            return
        why = private.misplaced(self._path, os.fstat(self._file))
        if not why:
            return
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._open()
        marks, self.current = self.current, {}
        self.write(marks, durable=True)
        log.warning("buffer.marks_renewed", why=why)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _name(numbered: Class) -> str:
    return JOURNAL if numbered == JOURNAL else str(int(numbered))


def _class(name: str) -> Class:
    return JOURNAL if name == JOURNAL else Kind(int(name))
