"""How much memory a recording may take: what the machine and the limits of the process leave."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT = 0.1
"""Share of the available memory that is left to others."""
_CGROUP = Path("/sys/fs/cgroup")
_MEGABYTE = 1_000_000
_BESIDE = 384 * 2**20
"""Address space of a decoder beside what it reads: its own code, arenas and buffers."""


def available() -> int | None:
    """Bytes that this process can still take; None if nothing says so."""
    found = [_of_machine(), _of_address_space(), _of_cgroup()]
    known = [each for each in found if each is not None]
    return max(0, int(min(known) * (1 - _KEPT))) if known else None


def lacking(need: int) -> str:
    """Says that so many bytes are more than are available; empty if they are not."""
    left = available()
    if left is None or need <= left:
        return ""
    return (
        f"it needs about {need / _MEGABYTE:,.0f} MB of memory to be read, and "
        f"{left / _MEGABYTE:,.0f} MB are free"
    )


@contextmanager
def bounded(need: int) -> Iterator[None]:
    """Lets the process take so many bytes meanwhile and not many more; MemoryError.

    A decoder takes lengths of a file at their word, which are found in no header.
    """
    most, last = resource.getrlimit(resource.RLIMIT_AS)
    taken = _taken()
    if taken is not None:
        bound = taken + need + _BESIDE
        known = [each for each in (most, last) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(bound, *known, bound), last))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, last))


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith("MemAvailable:")), None)
    return int(words[1]) * 1024 if words else None


def _of_address_space() -> int | None:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return None
    taken = _taken()
    return None if taken is None else most - taken


def _taken() -> int | None:
    """Bytes of address space that this process has."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _of_cgroup() -> int | None:
    """What the innermost limit of the unit or container leaves."""
    try:
        name = Path("/proc/self/cgroup").read_text().partition("::")[2].strip()
        folder = _CGROUP / name.lstrip("/")
        most = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    # Pages of files are given back where memory is short.
    return int(most) - used + int(kept.get("inactive_file", 0)) if most.isdecimal() else None
