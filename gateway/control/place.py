"""The place of the control socket in the state folder.

Promises
- The socket is for its owner alone from the moment it exists, whatever the umask, and is removed by
  whoever made it. One that a killed daemon left is replaced.
- Removed under the running daemon, it is made again, and that is logged; but not in a folder that
  is no longer the daemon's own.
- What else is at its place stays there: a file, a folder, a link, a pipe, the socket of another
  user or of a program that listens is refused with ConfigError.
"""

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog

from gateway.api.contracts import ConfigError
from gateway.api.files import FOR_A_PERSON
from gateway.control.listeners import BACKLOG

log = structlog.get_logger()

LOOK_S = 5.0
"""How often it is looked whether the socket is still in its place."""
_LONGEST = 100
"""A Unix socket's path may not be longer than 107 bytes."""
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group."""


class Place:
    """A path at which the daemon listens, until the context is left; ConfigError if it cannot.

    `misplaced` says why the folder is not in its place, and is empty while it is.
    """

    def __init__(self, path: Path, misplaced: Callable[[], str] = str) -> None:
        if len(os.fsencode(path)) > _LONGEST:
            raise ConfigError(
                f"{path} is too long for a local socket ({_LONGEST} bytes): "
                "choose a shorter `state`"
            )
        self.path, self._misplaced = path, misplaced
        self.listener, self._made = _made_at(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        # What another program has put there since is not ours.
        if self.is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def is_ours(self) -> bool:
        """Whether what is at the path is still the socket on which the daemon listens."""
        try:
            return _identity(self.path) == self._made
        except OSError:
            return False

    async def removed(self) -> None:
        """Wait until something else is at the path, or nothing."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not await asyncio.to_thread(self.is_ours):
                return

    async def make_again(self) -> None:
        """Listen at the path again, as soon as that is possible."""
        self.listener.close()
        failures = 0
        while True:
            try:
                self._check_folder()
                self.listener, self._made = _made_at(self.path)
            except ConfigError as error:
                failures += 1
                if failures & (failures - 1) == 0:
                    log.error("control.lost", why=str(error), times=failures)
                await asyncio.sleep(LOOK_S)
            else:
                log.warning("control.made_again", path=str(self.path), why="it was removed")
                return

    def _check_folder(self) -> None:
        # Another daemon may listen in a folder that is not ours.
        why = self._misplaced()
        if why:
            raise ConfigError(why)


def _made_at(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    listener = socket.socket(socket.AF_UNIX)
    listener.setblocking(False)
    try:
        _make_place(path)
        # Linux takes the mode of the file from here, so there is no moment of another one.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        made = _identity(path)
        listener.listen(BACKLOG)
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            wrong = ConfigError(f"{path} cannot be made: {error.strerror}")
            raise wrong.passing(error.errno not in FOR_A_PERSON) from error
        raise
    return listener, made


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _make_place(path: Path) -> None:
    """Removes the socket of a daemon that was killed."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path} is not a socket, and is left as it is: remove it")
    if found.st_uid != os.geteuid() != 0:
        raise ConfigError(f"{path} belongs to another user, and is left as it is: remove it")
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            # A program that listens, but is busy.
            pass
    why = f"another program listens at {path}: stop it, or choose another `state`"
    raise ConfigError(why).passing()


def stranger(peer: socket.socket) -> str:
    """Why the program at the other end of a local socket is refused: it is another user's.

    The socket's mode says so too, but a folder can be shared and a mode changed.
    """
    content = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(content)
    if user in (0, os.geteuid()):
        return ""
    return f"process {process} of user {user} may not ask: only root and the daemon's user may"
