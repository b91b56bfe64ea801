"""A line's state folder and its port: where they may be, and whether the line could use them here.

Seen from a command and not from the service itself, which may run as another user. Nothing is made
or changed.
"""

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Protocol

from gateway.api.contracts import Places
from gateway.api.files import FileUnreadable, answered
from gateway.api.state_names import linked, unusable
from gateway.config.schema import HealthSection

_SOCKET, _LONGEST_SOCKET = "control.sock", 100
"""As in control/server.py, which this room may not import; tests/hostile compares the two."""
_UNREAL = {Path("/proc"): errno.ENOENT, Path("/sys"): errno.EPERM}
"""Where no folder can be made, and what the system says of it."""
SERVICE_STATE = Path("/var/lib/andon")
"""The state folder of the systemd service."""


class HasState(Protocol):
    """What is needed of a LineConfig."""

    @property
    def line(self) -> str: ...

    @property
    def places(self) -> Places: ...


def state_folders(config: HasState) -> list[Path]:
    """The folders that may hold the line's state; a shell lacks the service's $STATE_DIRECTORY."""
    return list(dict.fromkeys((config.places.state, SERVICE_STATE / config.line)))


def why_unusable(state: Path) -> tuple[str, bool]:
    """What would be wrong with the folder if the line started; empty if nothing.

    Also whether another user would find the same.
    """
    try:
        error = answered(state, "state", lambda: _obstacle(state))
    except FileUnreadable as hangs:
        return str(hangs), True
    if isinstance(error, str):
        return error, True
    if error is None:
        return _long_for_socket(state / _SOCKET), True
    return unusable(state, error), error.errno != errno.EACCES


def _long_for_socket(path: Path) -> str:
    """What is wrong with the path of the line's socket; empty if nothing."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return ""
    return (
        f"{path} is too long for a local socket ({_LONGEST_SOCKET} bytes): choose a shorter `state`"
    )


def _obstacle(state: Path) -> OSError | str | None:
    """What making the folder, or a file in it, would raise, or a sentence; None if nothing."""
    try:
        if state.is_symlink():
            return linked(state, os.path.realpath(state))
        above = next(folder for folder in (state, *state.absolute().parents) if _exists(folder))
        if not stat.S_ISDIR(above.stat().st_mode):
            return _error(errno.EEXIST)
        unreal = next((u for u in _UNREAL if above.resolve().is_relative_to(u)), None)
        if unreal is not None:
            return _error(_UNREAL[unreal])
        if os.statvfs(above).f_flag & os.ST_RDONLY:
            return _error(errno.EROFS)
        return None if os.access(above, os.W_OK | os.X_OK) else _error(errno.EACCES)
    except OSError as error:
        return error


def _exists(folder: Path) -> bool:
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def why_port_is_taken(health: HealthSection, config: HasState) -> str:
    """Why the port cannot be used, unless it is this line that uses it; empty if it can."""
    if not health.port or any(_is_running(folder) for folder in state_folders(config)):
        return ""
    try:
        found = socket.getaddrinfo(
            *(health.host, health.port), type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except OSError:
        # A name, which only a name server knows.
        return ""
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                return f"{health.port} on {health.host} cannot be used: {error.strerror}"
    return ""


def _is_running(state: Path) -> bool:
    """Whether a daemon holds the lock of a state folder, or that cannot be known."""
    try:
        return answered(state, "lock", lambda: _is_locked(state / "lock"))
    except FileUnreadable:
        return True


def _is_locked(lock: Path) -> bool:
    try:
        inode = lock.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return False
    # To try the lock would keep a daemon that starts at this moment from it.
    held = Path("/proc/locks").read_text("ascii").splitlines()
    return any("FLOCK" in each and f":{inode} " in each for each in held)
