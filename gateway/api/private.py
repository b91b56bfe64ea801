"""Files for their owner alone, opened under their own name and never through a symbolic link.

Promises
- What is made here has mode 0600, whatever the umask.
- A symbolic link, a FIFO, a device, a folder or a file of another user is refused with a sentence
  (OSError) before anything is read from it or written to it.
- `misplaced` notices that a path no longer leads to the file that was opened there.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_NO_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR)


def open_file(path: Path, flags: int) -> int:
    """A descriptor of the plain file at `path`; `flags` as for `os.open`. OSError."""
    try:
        file = os.open(path, flags | _OPEN, 0o600)
    except OSError as error:
        why = refusal(path) if error.errno in _NO_FILE else ""
        if why:
            raise OSError(error.errno, why) from error
        raise
    try:
        _check(path, os.fstat(file))
    except OSError:
        os.close(file)
        raise
    return file


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, _no_file(path, found))
    if not is_trusted(found):
        raise OSError(errno.EPERM, f"{path} belongs to another user (uid {found.st_uid})")


def is_trusted(found: os.stat_result) -> bool:
    """Whether a file is ours or root's; to root every file is as good as its own."""
    return os.geteuid() in (0, found.st_uid) or found.st_uid == 0


def own_file(path: Path) -> int:
    """A descriptor of the file at `path`, made if there is none, and closed to others. OSError."""
    file = open_file(path, os.O_RDWR | os.O_CREAT)
    found = os.fstat(file)
    # An earlier version, or a umask, may have left it open to them.
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        with contextlib.suppress(OSError):
            os.fchmod(file, 0o600)
    return file


def refusal(path: Path) -> str:
    """Why `path` is not opened: it is something else than a plain file. Empty if it is one."""
    try:
        found = path.lstat()
    except OSError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a symbolic link, which andon does not follow; remove it"
    return "" if stat.S_ISREG(found.st_mode) else _no_file(path, found)


def _no_file(path: Path, found: os.stat_result) -> str:
    what = "a directory" if stat.S_ISDIR(found.st_mode) else "a FIFO, socket or device"
    return f"{path} is {what} and no plain file; remove it"


def new_file(path: Path) -> int:
    """A descriptor of a new, empty file at `path`; whatever has that name is unlinked. OSError."""
    path.unlink(missing_ok=True)
    return open_file(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)


def read_file(path: Path, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes. OSError."""
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"{path} has more than {limit} bytes")
    return content


def misplaced(path: Path, opened: os.stat_result) -> str:
    """Why `path` does not lead to the opened file or folder any more; empty while it does."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return f"{path} is gone"
    except OSError as error:
        return f"{path} cannot be reached: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return f"{path} was replaced by a symbolic link"
    if found.st_dev != opened.st_dev:
        return f"{path} is on another disk now"
    return "" if found.st_ino == opened.st_ino else f"{path} was replaced by another one"
