"""Writes points as JSON lines to a local file; the default sink of a line without one.

Promises
- When `write` returns, the batch is on disk (fsync), in the file of that name.
- A new file is private. No link is followed, neither in place of the file nor of a folder between
  it and the state folder, and the state folder itself is never made.
- The file holds whole rows only, even after a crash during a write.
- At most `keep` old files of `max_bytes` each are kept; a point that is sent twice is stored twice.
"""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.api import private
from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.durable import make_folder, sync_folder
from gateway.api.files import FileUnreadable, look
from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Probe
from gateway.api.options import FilePath, Size, Strict
from gateway.api.state_names import why_not_here

_TAIL = 64 * 1024


class FileOptions(Strict):
    """JSON lines in a local file."""

    type: Literal["file"] = "file"
    path: FilePath = "points.jsonl"
    """Relative to the line's state folder."""
    max_bytes: Size = 64 * 2**20
    """A larger file is rotated to `<path>.1`, the one before it to `<path>.2`, and so on."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many rotated files are kept."""


def to_json(body: bytes) -> bytes:
    """A point of line protocol as a row of JSON, with its line break."""
    point = decode(body)
    row = {
        "time": iso(point.at),
        "measurement": point.measurement,
        "tags": dict(point.tags),
        "fields": dict(point.fields),
    }
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def iso(at: Nanos) -> str:
    """2026-01-31T12:00:00.123456789Z"""
    seconds, nanos = divmod(at, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanos:09}Z"


class FileSink:
    """Appends to one file in a single thread, so that even a cancelled write is complete."""

    Options: ClassVar[type[FileOptions]] = FileOptions
    accepts = frozenset(Kind)
    is_local = True

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options = name, options
        self.path: Path = places.state / options.path
        self._state = places.state
        if why := why_not_here(places.state, options.path) or _why_not_there(self.path):
            raise ConfigError(why)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Starts the writing thread; the file itself is opened by each write."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sink.{self.name}")
        self._is_repaired = False
        try:
            yield
        finally:
            self._thread.shutdown(wait=True)

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Appends the batch with fsync; the bytes written. SinkUnavailable if the disk fails."""
        rows, invalid = _rows(batch)
        loop = asyncio.get_running_loop()
        try:
            count = await loop.run_in_executor(self._thread, self._append, b"".join(rows))
        except OSError as error:
            why = error.strerror or str(error)
            named = why if str(self.path) in why else f"{self.path}: {why}"
            raise SinkUnavailable(named) from error
        if invalid:
            raise SinkRejected(invalid, "not a point of line protocol", sent_bytes=count)
        return count

    def _append(self, data: bytes) -> int:
        self._make_folder()
        if not self._is_repaired:
            drop_torn_row(self.path)
            self._is_repaired = True
        is_new = self._make_room(len(data))
        file = private.open_file(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            start = os.fstat(file).st_size
            try:
                _write_all(file, data)
                os.fsync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, start)
                raise
            why = private.misplaced(self.path, os.fstat(file))
        finally:
            os.close(file)
        if why:
            raise OSError(errno.ENOENT, why)
        if is_new:
            sync_folder(self.path.parent)
        return len(data)

    def _make_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_relative_to(self._state):
            make_folder(folder)
            return
        inner = folder.relative_to(self._state).parts
        for depth in range(len(inner)):
            each = self._state.joinpath(*inner[: depth + 1])
            if each.is_symlink():
                raise OSError(errno.ELOOP, f"{each} is a symbolic link; remove it")
            each.mkdir(0o700, exist_ok=True)

    def _make_room(self, size: int) -> bool:
        """Rotates if the batch would make the file too large; True if the file is new."""
        try:
            present = self.path.lstat().st_size
        except FileNotFoundError:
            return True
        if not present or present + size <= self._options.max_bytes:
            return False
        for number in range(self._options.keep, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        return True

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    async def probe(self) -> Probe:
        """Checks that the file can be written, without writing it."""
        folder = self.path.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            return Probe(ok=False, message=f"{folder} is not a folder")
        target = self.path if self.path.exists() else folder
        why = private.refusal(self.path)
        if why:
            return Probe(ok=False, message=why)
        if not os.access(target, os.W_OK):
            return Probe(ok=False, message=f"{target} cannot be written")
        free = shutil.disk_usage(folder).free
        return Probe(ok=True, message=f"{self.path} can be written, {free // 10**6} MB free")


def _why_not_there(path: Path) -> str:
    """Why points cannot be appended to what is at a path; empty if they can, or nobody knows."""
    try:
        facts = look(path)
    except FileUnreadable:
        # Missing, or on a disk that does not answer just now.
        return ""
    return "" if stat.S_ISREG(facts.st_mode) else f"{path} is there already, and is not a file"


def _rows(batch: Sequence[Envelope]) -> tuple[list[bytes], list[int]]:
    """The rows of JSON, and the indices of envelopes that are not line protocol."""
    rows, invalid = [], []
    for index, envelope in enumerate(batch):
        try:
            rows.append(to_json(envelope.body))
        except ValueError:
            invalid.append(index)
    return rows, invalid


def drop_torn_row(path: Path) -> None:
    """Truncates the file after its last line break, dropping the rest of an unfinished write."""
    with (
        contextlib.suppress(FileNotFoundError),
        os.fdopen(private.open_file(path, os.O_RDWR), "r+b") as file,
    ):
        end = file.seek(0, os.SEEK_END)
        whole = end
        while whole:
            start = max(0, whole - _TAIL)
            file.seek(start)
            at = file.read(whole - start).rfind(b"\n")
            whole = start + at + 1
            if at >= 0:
                break
        if whole < end:
            file.truncate(whole)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
