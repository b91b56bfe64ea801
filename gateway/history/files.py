"""Opens a recording's file, of which nothing is known yet.

Promises
- Only regular files are opened: a pipe, a socket or a device would block, or never end.
- What is read is bounded before it is read, and never mapped: a file that is cut meanwhile is an
  error, and not the end of the process.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from gateway.api.contracts import ConfigError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_PART = 1 << 24
"""Bytes that are read at once, so that a false size costs no memory."""


@contextmanager
def opened(path: Path) -> Iterator[FileIO]:
    """The file, open for reading; ConfigError if it cannot be opened or is none."""
    try:
        # A device may do something when it is opened; it is looked at first, and once more after.
        _check_kind(path, path.stat().st_mode)
        file = FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with file:
        _check_kind(path, os.fstat(file.fileno()).st_mode)
        yield file


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((what for fits, what in _KINDS if fits(mode)), "something else")
        raise ConfigError(f"{path} cannot be read: it must be a file, and is {kind}")


def unreadable(path: Path, error: Exception) -> ConfigError:
    """The error of the operating system as a sentence that names the file."""
    why = error.strerror if isinstance(error, OSError) else None
    return ConfigError(f"{path} cannot be read: {why or error}")


def size_of(file: FileIO) -> int:
    """The size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def whole(path: Path, file: FileIO) -> bytes:
    """The file's content up to its present size; ConfigError if it is cut meanwhile."""
    size, parts = size_of(file), list[bytes]()
    try:
        file.seek(0)
        while left := size - sum(map(len, parts)):
            part = file.read(min(left, _PART))
            if not part:
                raise ConfigError(
                    f"{path} became shorter while it was read: read it when nothing writes to it"
                )
            parts.append(part)
    except OSError as error:
        raise unreadable(path, error) from error
    return b"".join(parts)


def at(file: FileIO, offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset` on, fewer at the file's end; OSError."""
    return os.pread(file.fileno(), length, offset)
