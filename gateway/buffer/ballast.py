"""A file that reserves disk space, so that a full disk still has room for alerts.

On a full disk SQLite can neither delete rows nor checkpoint its WAL: only space that was reserved
beforehand helps.

Promises
- The ballast is released for alerts only, and restored when the disk clearly has enough space.
- While it is released only alerts may be stored.
"""

import contextlib
import os
import stat
from pathlib import Path

from gateway.api import private

SIZE = 8 * 2**20
SCARCE = 2 * 2**20
"""What must be left of its room, so that the buffer can still delete something for what is new."""


class Ballast:
    """The ballast file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.released = True
        """Whether the disk is too full for anything but alerts."""
        self.restore()

    def restore(self) -> bool:
        """Reserves the space again if the disk has enough; returns whether it is held."""
        self.released = not (self._present() or (self._is_roomy() and self._take()))
        return not self.released

    def _present(self) -> bool:
        try:
            found = self._path.lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_blocks * 512 >= SIZE

    def _is_roomy(self) -> bool:
        """Whether twice the ballast is free; with less it would be taken and released in turns."""
        return self._free() >= 2 * SIZE

    def _free(self) -> int:
        """Bytes that the disk has left; 0 if it does not say."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize

    def is_scarce(self) -> bool:
        """Whether it is released, and its room is nearly used up."""
        return self.released and self._free() < SCARCE

    def _take(self) -> bool:
        try:
            file = private.new_file(self._path)
            try:
                os.posix_fallocate(file, 0, SIZE)
            finally:
                os.close(file)
        except OSError:
            self._remove()
            return False
        return True

    def release(self) -> bool:
        """Frees the space for alerts; returns whether it was held."""
        was_held, self.released = not self.released, True
        self._remove()
        return was_held

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
