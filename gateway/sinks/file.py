"""Points as JSON lines in a local file: the sink of a line that names none.

Promises
- What `write` returned for is on the disk (fsync).
- The file holds whole lines only, whatever cut the last run short.
- At most `keep` old files of `max_bytes` each stay beside it; a point that was sent twice is in
  it twice.
"""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.durable import sync_folder
from gateway.api.line_protocol import decode
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Probe
from gateway.api.options import Size, Strict

_TAIL = 64 * 1024


class FileOptions(Strict):
    """JSON lines in a local file."""

    type: Literal["file"] = "file"
    path: str = "points.jsonl"
    """Relative to the line's state folder."""
    max_bytes: Size = 64 * 2**20
    """A larger file is put aside as `<path>.1`, the one before it as `<path>.2`, and so on."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many of those are kept."""


def to_json(body: bytes) -> bytes:
    """One line of line protocol as one line of JSON, with its line break."""
    point = decode(body)
    found = {
        "time": iso(point.at),
        "measurement": point.measurement,
        "tags": dict(point.tags),
        "fields": dict(point.fields),
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def iso(at: Nanos) -> str:
    """2026-01-31T12:00:00.123456789Z"""
    seconds, nanos = divmod(at, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanos:09}Z"


class FileSink:
    """Appends to one file, from one thread, so that a cancelled write is still whole."""

    Options: ClassVar[type[FileOptions]] = FileOptions
    accepts = frozenset(Kind)
    is_local = True

    def __init__(self, name: str, options: Any, places: Places) -> None:
        self.name, self._options = name, options
        self.path: Path = places.state / options.path

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The thread that writes; the file itself is opened by each write."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sink.{self.name}")
        self._is_mended = False
        try:
            yield
        finally:
            self._thread.shutdown(wait=True)

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Append the batch and fsync; the bytes written. SinkUnavailable where the disk refuses."""
        lines, foreign = _lines(batch)
        loop = asyncio.get_running_loop()
        try:
            count = await loop.run_in_executor(self._thread, self._append, b"".join(lines))
        except OSError as error:
            raise SinkUnavailable(f"{self.path}: {error.strerror or error}") from error
        if foreign:
            raise SinkRejected(foreign, "not a line of line protocol", sent_bytes=count)
        return count

    def _append(self, data: bytes) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._is_mended:
            drop_torn_line(self.path)
            self._is_mended = True
        is_new = self._make_room(len(data))
        with self.path.open("ab", buffering=0) as file:
            start = file.tell()
            try:
                _write_all(file.fileno(), data)
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(start)
                raise
        if is_new:
            sync_folder(self.path.parent)
        return len(data)

    def _make_room(self, size: int) -> bool:
        """Rotate if the batch would make the file too large; True if it is a new file then."""
        try:
            present = self.path.stat().st_size
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
        """Whether the file could be written, without writing it."""
        folder = self.path.parent
        while not folder.exists():
            folder = folder.parent
        target = self.path if self.path.exists() else folder
        if self.path.is_dir() or not os.access(target, os.W_OK):
            return Probe(ok=False, said=f"{target} cannot be written")
        free = shutil.disk_usage(folder).free
        return Probe(ok=True, said=f"{self.path} can be written, {free // 10**6} MB free")


def _lines(batch: Sequence[Envelope]) -> tuple[list[bytes], list[int]]:
    """The JSON lines, and the indices of points that are no line protocol."""
    lines, foreign = [], []
    for index, envelope in enumerate(batch):
        try:
            lines.append(to_json(envelope.body))
        except ValueError:
            foreign.append(index)
    return lines, foreign


def drop_torn_line(path: Path) -> None:
    """Cut off what follows the last line break: a write that did not get to its end."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
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
