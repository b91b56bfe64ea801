"""The detectors' windows, kept over a restart: a line that comes back is not blind for a window.

Promises
- The file is replaced whole. One that is damaged, or was written for other sources, is passed over
  with a line in the log: the line then starts cold, nothing worse.
- It is written when the line stops and now and then before, seldom enough for a flash card. A disk
  that refuses it stops nothing, and is logged once.
- It is private, and no link of its name is followed. Nothing is written while the state folder is
  not in its place.
- What a restart missed stays missing: a tag's last value is held as long as always, no longer.
"""

import asyncio
import contextlib
import errno
import hashlib
import io
import json
import os
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.api import private
from gateway.config.load import LineConfig
from gateway.core.align import Memory
from gateway.core.wait_limits import WINDOWS_S
from gateway.line.worker import Worker
from gateway.telemetry.heartbeats import Part

log = structlog.get_logger()

FILE = "windows.dat"
EVERY_S = 2.0
"""A kill costs no more than that of a window, of which a fifth may be missing."""
LIMIT = 2**28
"""Bytes of a file that is read."""
LAST_S = 5.0
"""How long a disk may take to save them when the line stops."""
BYTES_PER_S = 20_000
"""Written more often than that, a flash card would not last: it is 1.7 GB a day."""


class WindowStore:
    """The file in the line's state folder; `misplaced` says why that is not in its place."""

    def __init__(self, config: LineConfig, misplaced: Callable[[], str] = str) -> None:
        self._path = config.places.state / FILE
        self._digest = _sources_digest(config)
        self._misplaced = misplaced
        self._is_refused = False

    def load(self) -> Memory:
        """What the last run left; nothing if nothing fits these sources."""
        try:
            memory = _decoded(private.read_file(self._path, LIMIT))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            log.warning("windows.unreadable", file=str(self._path), why=why)
            return {}
        if str(memory.pop("digest", "")) != self._digest:
            log.info("windows.of_other_sources", file=str(self._path))
            return {}
        return memory

    def save(self, memory: Memory) -> int:
        """Replace the file; its bytes, 0 if the disk refuses."""
        content = _encoded({"digest": np.array(self._digest), **memory})
        try:
            self._replace(content)
        except OSError as error:
            if not self._is_refused:
                why = error.strerror or str(error)
                log.warning("windows.not_saved", file=str(self._path), why=why)
            self._is_refused = True
            return 0
        if self._is_refused:
            log.info("windows.saved_again", file=str(self._path))
        self._is_refused = False
        return len(content)

    def _replace(self, content: bytes) -> None:
        why = self._misplaced()
        if why:
            raise OSError(errno.ENOENT, why)
        new = self._path.with_suffix(".new")
        try:
            with os.fdopen(private.new_file(new), "wb") as file:
                file.write(content)
            new.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    async def keep(self, memory: Callable[[], Memory], part: Part | None = None) -> None:
        """Save for ever, and once more when the line stops, in a thread: the disk may hang."""
        part, worker, size = part or Part("windows"), Worker("windows"), 0
        try:
            while True:
                await asyncio.sleep(max(EVERY_S, size / BYTES_PER_S))
                with part.during("saving", WINDOWS_S):
                    size = await worker.run(partial(self.save, _copied(memory())))
                part.beat()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await worker.run(partial(self.save, _copied(memory())))


def _copied(memory: Memory) -> Memory:
    """The line goes on while its windows are saved."""
    return {name: array.copy() for name, array in memory.items()}


def _sources_digest(config: LineConfig) -> str:
    """Changes when anything changes that decides what a tag's value means."""
    sources = json.dumps(config.resolved()["sources"], sort_keys=True)
    return hashlib.sha256(sources.encode()).hexdigest()


def _encoded(arrays: Memory) -> bytes:
    """A CRC before numpy's own format, because that one notices only some damage."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return zlib.crc32(file.getbuffer()).to_bytes(4, "big") + file.getvalue()


def _decoded(content: bytes) -> dict[str, NDArray[Any]]:
    """ValueError if it is damaged, or holds anything but plain arrays."""
    crc, body = content[:4], content[4:]
    if zlib.crc32(body).to_bytes(4, "big") != crc:
        raise ValueError("it is damaged")
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        return dict(file)
