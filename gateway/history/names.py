"""Names of history files, which describe the content so that no file need be opened for it.

A run of the daemon, from one start to the next, writes flushes that are numbered over all runs.
`20260131T120000Z_run12_12-71_c0ffee12.parquet` holds flushes 12 to 71 of the run that began with
flush 12; the last word is the CRC of its content, since Parquet does not protect its own footer.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Nanos

_NAME = re.compile(r"(\d{8}T\d{6}Z)_run(\d+)_(\d+)-(\d+)_([0-9a-f]{8})\.parquet", re.ASCII)


class Name(NamedTuple):
    """The parts of a file name. Names sort in the order of recording, even if the clock jumped."""

    run: int
    first: int
    last: int
    at: Nanos
    """Time of the first arrival, in whole seconds."""
    crc: int
    """CRC-32 of the file."""

    @property
    def is_part(self) -> bool:
        """Whether the file holds a single flush, not several joined ones."""
        return self.first == self.last

    def holds(self, other: "Name") -> bool:
        """Whether this file has all flushes of the other and more."""
        is_longer = self.last - self.first > other.last - other.first
        return is_longer and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        stamp = datetime.fromtimestamp(self.at // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{stamp}_run{self.run}_{self.first}-{self.last}_{self.crc:08x}.parquet"


def name_of(path: Path) -> Name | None:
    """The parsed name of a file; None if it is not a history file."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        at = datetime.strptime(match[1], "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None
    run, first, last = int(match[2]), int(match[3]), int(match[4])
    return Name(run, first, last, round(at.timestamp()) * SECOND, int(match[5], 16))


def listed(folder: Path) -> list[tuple[Name, Path]]:
    """The history files of a folder in the order of recording."""
    return sorted((name, path) for path in folder.iterdir() if (name := name_of(path)))


def between(
    files: list[tuple[Name, Path]], since: Nanos, until: Nanos
) -> Iterator[tuple[Name, Path]]:
    """The files that may hold arrivals between two times; more of them if the clock went back."""
    following: list[tuple[Name, Path] | None] = [*files[1:], None]
    for (name, path), after in zip(files, following, strict=False):
        ends = after[0].at if after and after[0].run == name.run else None
        is_before = ends is not None and name.at <= ends < since
        if name.at <= until and not is_before:
            yield name, path


def superseded(files: list[tuple[Name, Path]]) -> list[tuple[Name, Path]]:
    """The files whose flushes are all in another file, left by a crash during a join."""
    joined = [name for name, _ in files if not name.is_part]
    return [(name, path) for name, path in files if any(j.holds(name) for j in joined)]


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, each flush once; ConfigError if there are none."""
    try:
        files = listed(folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror or error}") from error
    duplicates = {path for _, path in superseded(files)}
    if not files:
        raise ConfigError(f"{folder} holds no history files")
    return [path for _, path in files if path not in duplicates]
