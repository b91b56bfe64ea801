"""Reads the small files that a line file names: other YAML files, tables, secrets, certificates.

Promises
- Only a regular file is read: a FIFO, a socket or a device is refused without being opened.
- A file is read whole or refused; more than `at_most` bytes of it are never in memory.
- Whoever asks is answered within `READ_S`, also by a file system that does not answer.
- Each failure is a FileUnreadable with a sentence, whose text stays the same when it is repeated.

A call that the system does not answer cannot be stopped: its thread is left behind. A file has at
most one of them and the process at most `MOST_HANGING`, after which no new file is tried.
"""

import asyncio
import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from gateway.api.contracts import AndonError, ConfigError

T = TypeVar("T")

READ_S = 4.0
"""How long a file may take; a slow disk needs a fraction of it."""
MOST_HANGING = 8
SECRET_BYTES = 64 * 1024
PEM_BYTES = 4 * 2**20
"""A file of certificates: those of all public authorities together are 0.3 MB."""
MOST_FILES = 1_000
"""Names in a folder of which all files are read."""

_AT_ONCE = 4
"""Each takes two threads, whose stacks count where memory is limited."""
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a FIFO, not a file",
    stat.S_IFSOCK: "it is a socket, not a file",
    stat.S_IFCHR: "it is a device, not a file",
    stat.S_IFBLK: "it is a device, not a file",
}
FOR_A_PERSON = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL),
        *(errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.ENXIO),
    )
)
"""Errors of a path that do not pass: it names something else than it should."""
_WORDS = {
    errno.EAGAIN: "another program holds it",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links form a circle",
    errno.ENXIO: "it is not a file",
}


class FileUnreadable(ConfigError):  # noqa: N818 - as its family
    """A file that cannot be read; `why` is the reason without the file's name.

    It may pass if that is the system's doing: a mount may not be there yet, or not answer.
    """

    def __init__(self, path: Path | str, why: str, *, is_missing: bool = False) -> None:
        name = shown_path(path)
        super().__init__(f"there is no file {name}" if is_missing else f"{name}: {why}")
        self.why = why


def read_file(path: Path, at_most: int, within: float | None = None) -> bytes:
    """The content of a file, within `READ_S` if not told otherwise; FileUnreadable."""
    return answered(path, ("read", at_most), lambda: _content(path, at_most), within)


def read_text(path: Path, at_most: int) -> str:
    """The content of a file of UTF-8 text; FileUnreadable."""
    return decoded(path, read_file(path, at_most))


def decoded(path: Path, content: bytes) -> str:
    """The content as UTF-8 text, without a byte order mark; FileUnreadable if it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Not from the error: it holds the content, which may be a secret.
        place = f"byte {error.start + 1}"
    raise FileUnreadable(path, f"it is not UTF-8 text (at {place}): save it as UTF-8")


def list_folder(folder: Path) -> list[Path]:
    """The regular files in a folder, in the order of their names; FileUnreadable."""
    return answered(folder, "list", lambda: _listed(folder))


def look(path: Path) -> os.stat_result:
    """What the system says of a path, links followed; FileUnreadable."""
    return answered(path, "look", lambda: os.stat(path))  # noqa: PTH116 - for any name


async def off_loop(work: Callable[[], T]) -> T:
    """The result of work with files, done in a thread, so that the event loop goes on."""
    slots = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))
    async with slots:
        return await asyncio.to_thread(work)


def shown_path(path: Path | str) -> str:
    """A path as it may be shown: one line, shortened."""
    text = "".join(char if char.isprintable() else "?" for char in str(path))
    return text if len(text) <= 200 else f"{text[:100]}...{text[-90:]}"


def _content(path: Path, at_most: int) -> bytes:
    _require_regular(path, os.stat(path), at_most)  # noqa: PTH116 - a device must not be opened
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(handle, "rb", buffering=0) as file:
        # It may have been replaced meanwhile.
        _require_regular(path, os.fstat(handle), at_most)
        content = bytearray()
        # The size of a file that grows, or of one in /proc, says nothing.
        while part := file.read(min(at_most + 1 - len(content), 1 << 20)):
            content += part
            if len(content) > at_most:
                raise FileUnreadable(path, _too_large(at_most))
        if part is None:
            raise BlockingIOError(errno.EAGAIN, "nothing to read")
    return bytes(content)


def _require_regular(path: Path, facts: os.stat_result, at_most: int) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise FileUnreadable(path, _KINDS.get(stat.S_IFMT(facts.st_mode), "it is not a file"))
    if facts.st_size > at_most:
        raise FileUnreadable(path, _too_large(at_most))


def _too_large(at_most: int) -> str:
    size = f"{at_most // 1000} kB" if at_most < 10**6 else f"{at_most / 10**6:g} MB"
    return f"it is larger than {size}: it must be another file"


def _listed(folder: Path) -> list[Path]:
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_FILES:
                raise FileUnreadable(folder, f"it holds more than {MOST_FILES:,} files")
            with contextlib.suppress(OSError):  # a link that leads nowhere
                if entry.is_file():
                    found.append(folder / entry.name)
    return sorted(found)


class _Attempt:
    """Work that runs in its thread, and its outcome once it is done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.is_late = False
        self.result: Any = None
        self.error: Exception | None = None


_attempts: dict[Hashable, _Attempt] = {}
_lock = threading.Lock()


def answered(path: Path, kind: Hashable, work: Callable[[], T], within: float | None = None) -> T:
    """The result of `work` with a file, done in a thread; FileUnreadable without one in time.

    Work of the same kind with the same file is shared with whoever asked before.
    """
    limit = READ_S if within is None else within
    attempt = _attempt((str(path), kind), path, work)
    # A file that did not answer before is not waited for again.
    if not attempt.done.wait(0 if attempt.is_late else limit):
        attempt.is_late = True
        raise FileUnreadable(path, f"it cannot be read within {limit:g} s").passing()
    if attempt.error is None:
        result: T = attempt.result
        return result
    if isinstance(attempt.error, AndonError):
        raise attempt.error
    raise _refusal(path, attempt.error) from None


def _attempt(key: Hashable, path: Path, work: Callable[[], object]) -> _Attempt:
    with _lock:
        running = _attempts.get(key)
        if running is not None:
            return running
        if sum(each.is_late for each in _attempts.values()) >= MOST_HANGING:
            why = f"not tried: {MOST_HANGING} other files do not answer"
            raise FileUnreadable(path, why).passing()
        attempt = _attempts[key] = _Attempt()

    def run() -> None:
        try:
            attempt.result = work()
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            attempt.error = error
        with _lock:
            del _attempts[key]
        attempt.done.set()

    try:
        threading.Thread(target=run, name="andon.file", daemon=True).start()
    except RuntimeError as error:
        with _lock:
            del _attempts[key]
        raise FileUnreadable(path, "no memory for a thread to read it").passing() from error
    return attempt


def _refusal(path: Path, error: Exception) -> Exception:
    if isinstance(error, OSError):
        why = _WORDS.get(error.errno or 0) or error.strerror or str(error)
        refusal = FileUnreadable(path, why, is_missing=error.errno == errno.ENOENT)
        return refusal.passing(error.errno not in FOR_A_PERSON)
    if isinstance(error, MemoryError):
        return FileUnreadable(path, "there is not enough memory to read it").passing()
    if isinstance(error, ValueError):
        # NUL, or a lone surrogate: no file can have such a name.
        return FileUnreadable(path, "no file can have this name")
    return error
