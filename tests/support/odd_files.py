"""Files that are none, or that do not answer, for tests of whatever reads a file by its name."""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

_MNT_DETACH = 2
# Takes a lease, which makes every other open of the file wait for it, and stops itself.
_HOLDER = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.raise_signal(signal.SIGSTOP)
"""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_suffix(".fifo"))
    path.symlink_to(path.with_suffix(".fifo"))


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path is short, a test's folder may not be.
        short = Path("/proc/self/fd") / str(os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC))
        listener.bind(str(short / path.name))
        os.close(int(short.name))


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def full_device(path: Path) -> None:
    path.symlink_to("/dev/full")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/ptmx")


def folder(path: Path) -> None:
    path.mkdir()


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def below_a_file(path: Path) -> None:
    path.write_text("x")
    path.rename(path.with_suffix(".file"))
    path.symlink_to(f"{path.with_suffix('.file').name}/below")


def terabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**12)


def megabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50_000_000)


def not_text(path: Path) -> None:
    path.write_bytes(b"a\xff\xfe\x00\x80token")


def utf16(path: Path) -> None:
    path.write_bytes("version: 1\nline: l\n".encode("utf-16"))


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def memory(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


NO_FILE = {
    "a FIFO": (fifo, "it is a FIFO"),
    "a link to a FIFO": (link_to_fifo, "it is a FIFO"),
    "a socket": (a_socket, "it is a socket"),
    "/dev/zero": (zeros, "it is a device"),
    "/dev/full": (full_device, "it is a device"),
    "a terminal": (terminal, "it is a device"),
    "a folder": (folder, "it is a folder"),
    "nothing": (missing, "o such file|there is no file"),
    "a link to nothing": (dangling, "o such file|there is no file"),
    "a link to itself": (circle, "circle"),
    "a file as a folder": (below_a_file, "Not a directory"),
    "1 TB of nothing": (terabyte, "it is larger than"),
    "50 MB": (megabytes, "it is larger than"),
    "/proc/self/mem": (memory, "Input/output error|Permission denied"),
}
"""What cannot be read whatever is asked of it: how it is made, and what is said of it."""
NO_TEXT = {
    "bytes": (not_text, "UTF-8"),
    "UTF-16": (utf16, "UTF-8"),
    "noise": (noise, "UTF-8"),
}
"""What is read, and is not text."""


@contextlib.contextmanager
def held(path: Path):
    """A file that a stopped process holds by a lease: to open it takes 45 s."""
    path.write_text("token")
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            yield
        finally:
            holder.kill()


@contextlib.contextmanager
def hung_mount(path: Path):
    """A file system below a folder that answers no call, as a server that is away; needs root."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    path.mkdir()
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    try:
        if libc.mount(b"hung", os.fsencode(path), b"fuse", 0, options.encode()):
            raise PermissionError(ctypes.get_errno(), "mount")
        try:
            yield
        finally:
            libc.umount2(os.fsencode(path), _MNT_DETACH)
    finally:
        # Whoever still waits is answered now, with an error.
        os.close(device)
