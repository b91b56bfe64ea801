"""The sockets on which the daemon's services listen.

Promises
- The control socket is for its owner alone from the moment it exists, whatever the umask, and is
  removed by whoever made it. One that a killed daemon left is replaced.
- What else is at its place stays there: a file, a folder, a link, a pipe, the socket of another
  user or of a program that listens is refused with ConfigError.
"""

import asyncio
import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.api.contracts import ConfigError

BACKLOG = 128
_LONGEST = 100
"""A Unix socket's path may not be longer than 107 bytes."""
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group."""


async def on_network(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on the addresses of `host`; ConfigError if they cannot."""
    listeners: list[socket.socket] = []
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses = list(dict.fromkeys((family, address) for family, *_, address in found))
        for family, address in addresses:
            is_last = address == addresses[-1][1] and not listeners
            listeners += _listening(family, address, must=is_last)
    except (OSError, UnicodeError) as error:
        for each in listeners:
            each.close()
        raise ConfigError(
            f"health.port {port} on {host} cannot be used: {_reason(error)}; "
            "give each line of a machine its own port"
        ) from error
    return listeners


def _listening(family: int, address: Any, *, must: bool) -> list[socket.socket]:
    """One socket; none where the machine lacks IPv4 or IPv6, unless it must be this one."""
    try:
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and not must:
            return []
        raise
    listener.setblocking(False)
    return [listener]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


@contextlib.contextmanager
def at(path: Path) -> Iterator[socket.socket]:
    """A socket that listens at `path` until the context is left; ConfigError if it cannot."""
    if len(os.fsencode(path)) > _LONGEST:
        raise ConfigError(
            f"{path} is too long for a local socket ({_LONGEST} bytes): choose a shorter `state`"
        )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.setblocking(False)
        try:
            _make_place(path)
            # Linux takes the mode of the file from here, so there is no moment of another one.
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(str(path))
            made = _identity(path)
            listener.listen(BACKLOG)
        except OSError as error:
            raise ConfigError(f"{path} cannot be made: {error.strerror}") from error
        try:
            yield listener
        finally:
            # What another program has put there since is not ours.
            with contextlib.suppress(OSError):
                if _identity(path) == made:
                    path.unlink()


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
    raise ConfigError(f"another program listens at {path}: stop it, or choose another `state`")


def stranger(peer: socket.socket) -> str:
    """Why the program at the other end of a local socket is refused: it is another user's.

    The socket's mode says so too, but a folder can be shared and a mode changed.
    """
    content = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(content)
    if user in (0, os.geteuid()):
        return ""
    return f"process {process} of user {user} may not ask: only root and the daemon's user may"
