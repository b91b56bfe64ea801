"""The line's state folder: for one daemon, for its user alone, and the same one all the time.

Promises
- One daemon a line: the folder itself is locked, and the file `lock` in it. Removing that file
  lets no second daemon start.
- A symbolic link, a folder of another user and one that everyone may write into are refused with a
  sentence; one that others may read is said once.
- What the daemon makes in it is private, whatever the umask.
- A folder that was removed, moved, replaced or made read-only under the daemon is noticed by
  `misplaced`, which costs two system calls.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog

from gateway.api import private
from gateway.api.contracts import ConfigError, Fatal
from gateway.api.durable import make_folder
from gateway.api.files import FOR_A_PERSON
from gateway.api.state_names import linked, unusable

log = structlog.get_logger()

LOCK = "lock"


class Taken(ConfigError):  # noqa: N818 - a state of the world, not a wrong file
    """Another daemon runs this line; it may be one that is about to end."""

    may_pass = True


@contextlib.contextmanager
def only_daemon(path: Path) -> Iterator["StateFolder"]:
    """Hold the state folder's lock.

    ConfigError if the folder cannot be used or another daemon runs this line. Trouble of its disk
    may pass.
    """
    before = os.umask(0o077)
    try:
        folder = _taken(path)
        with contextlib.closing(folder):
            caution = folder.caution()
            if caution:
                log.warning("state.caution", why=caution)
            yield folder
    finally:
        os.umask(before)


def _taken(path: Path) -> "StateFolder":
    folder = StateFolder(path)
    try:
        folder.take()
    except OSError as error:
        wrong = ConfigError(unusable(path, error))
        raise wrong.passing(error.errno not in FOR_A_PERSON) from error
    return folder


class StateFolder:
    """The folder at `path`. `take` opens and locks it, or the one that is there by then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder: Locked | None = None
        self._lock: Locked | None = None
        self._caution_then = self._unlocked = ""

    def take(self) -> None:
        """Makes the folder if there is none, and locks it. OSError, ConfigError; Taken."""
        _refuse_link(self.path)
        make_folder(self.path)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = Locked(os.open(self.path, flags), self.path, may_be_unable=True)
        try:
            _check(self.path, folder.opened)
            lock = self._lock_file()
        except BaseException:
            folder.close()
            raise
        self.close()
        self._folder, self._lock = folder, lock
        self._caution_then = self.caution()

    def _lock_file(self) -> "Locked":
        return Locked(private.own_file(self.path / LOCK), self.path)

    def misplaced(self) -> str:
        """Why nothing may be stored: the path leads to another folder now. Empty if it does not."""
        folder = self._folder
        return private.misplaced(self.path, folder.opened) if folder is not None else ""

    def read_only(self) -> str:
        """Why nothing can be stored in the folder, which is in its place; or empty."""
        try:
            is_read_only = os.statvfs(self.path).f_flag & os.ST_RDONLY
        except OSError as error:
            return f"{self.path} cannot be reached: {error.strerror}"
        return f"the disk of {self.path} is read-only" if is_read_only else ""

    def keep_lock(self) -> None:
        """Locks a new lock file if the old one was removed or replaced. Fatal if another has it."""
        path, old = self.path / LOCK, self._lock
        why = private.misplaced(path, old.opened) if old is not None else ""
        if old is None or not why:
            self._unlocked = ""
            return
        try:
            if path.is_symlink():
                path.unlink()
            self._lock = self._lock_file()
        except Taken as error:
            raise Fatal(str(error)) from error
        except OSError as error:
            # The folder itself is locked: no other daemon can start.
            if not self._unlocked:
                log.error("state.lock_lost", why=f"{why}; {error.strerror}")
            self._unlocked = f"{why}; {error.strerror}"
        else:
            old.close()
            self._unlocked = ""
            log.warning("state.lock_renewed", why=why)

    def caution(self) -> str:
        """What is wrong with the folder's owner or mode, short of not being usable; or empty."""
        try:
            found = self.path.lstat()
        except OSError:
            return ""
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid():
            return (
                f"the state folder {self.path} belongs to uid {found.st_uid}, and andon runs as "
                f"uid {os.geteuid()}: files that it makes may be closed to the other"
            )
        if mode & 0o700 != 0o700:
            return f"the state folder {self.path} is closed to its owner: chmod 700 {self.path}"
        if mode & 0o077:
            return f"the state folder {self.path} is open to others: chmod 700 {self.path}"
        return ""

    def change(self) -> str:
        """What became wrong with the folder's owner, mode or lock since it was taken; or empty."""
        caution = self.caution()
        return caution if caution != self._caution_then else self._unlocked

    def close(self) -> None:
        """Releases the locks."""
        for locked in (self._lock, self._folder):
            if locked is not None:
                locked.close()
        self._folder = self._lock = None


class Locked:
    """A file or folder that is open and locked; Taken if another process has locked it.

    `may_be_unable`: NFS locks no folders, which is why there is a lock file too.
    """

    def __init__(self, handle: int, path: Path, *, may_be_unable: bool = False) -> None:
        self._handle = handle
        self.opened = os.fstat(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if may_be_unable and error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return
            self.close()
            raise Taken(f"another andon already runs this line with {path}") from error

    def close(self) -> None:
        """Releases the lock."""
        os.close(self._handle)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise ConfigError(linked(path, os.path.realpath(path)))


def _check(path: Path, found: os.stat_result) -> None:
    if not private.is_trusted(found):
        raise ConfigError(
            f"the state folder {path} belongs to another user (uid {found.st_uid}), who could "
            f"replace its files; chown it, or set `state:` to a folder of uid {os.geteuid()}"
        )
    if found.st_mode & stat.S_IWOTH:
        raise ConfigError(
            f"everyone may write into the state folder {path} and replace its files; "
            f"chmod 700 {path}"
        )
