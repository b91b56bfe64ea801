"""How far each class had come, in a small file beside the database.

SQLite drops a damaged tail of its log without a word. What this file says that was stored, and
the database no longer holds, is reported as lost.

Promises
- A mark is written after the commit that it speaks of: it never claims more than was durable.
- Two slots, written in turn, each with its CRC: a write that was cut short leaves the other one.
- A disk that refuses this file stops nothing; a loss would then be noticed less exactly.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.api.durable import sync_folder
from gateway.api.model import Kind, Nanos

_SLOT = 4096
_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """One class: its first and next number, how many rows it held, the newest one's time.

    `leased` is the highest number that any sink may have got.
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
        self._turn = 0
        self._open()
        self.found = self._read()
        self.said: Mapping[Kind, Mark] = dict(self.found)
        """What holds now, whether or not the disk took it."""

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._file).st_size < 2 * _SLOT:
                # Both slots have their room before the disk is full.
                os.pwrite(self._file, bytes(2 * _SLOT), 0)
                os.fsync(self._file)
                sync_folder(self._path.parent)

    def _read(self) -> dict[Kind, Mark]:
        """The newest sound slot; nothing if there is none."""
        slots = [found for turn in (0, 1) if (found := self._slot(turn)) is not None]
        if not slots:
            return {}
        self._turn, said = max(slots, key=lambda slot: slot[0])
        return said

    def _slot(self, turn: int) -> tuple[int, dict[Kind, Mark]] | None:
        if self._file is None:
            return None
        try:
            text = os.pread(self._file, _LENGTH, turn * _SLOT).rstrip(b"\0")
            crc, body = text.split(b" ", 1)
            if int(crc) != zlib.crc32(body):
                return None
            said = json.loads(body)
            return said["turn"], {Kind(int(k)): Mark(**mark) for k, mark in said["marks"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, marks: Mapping[Kind, Mark], *, durable: bool) -> None:
        """Say what is stored now; `durable` waits until it survives a power cut too."""
        if marks == self.said:
            return
        self.said = dict(marks)
        if self._file is None:
            return
        self._turn += 1
        said = {"turn": self._turn, "marks": {str(int(k)): asdict(m) for k, m in marks.items()}}
        body = json.dumps(said).encode()
        text = b"%d %s" % (zlib.crc32(body), body)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, text.ljust(_LENGTH, b"\0"), self._turn % 2 * _SLOT)
            if durable:
                os.fdatasync(self._file)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
