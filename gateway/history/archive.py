"""The folder of history files, kept in bounds. Used by the recorder's thread alone.

Promises
- A file is whole or it is not there: written under another name, fsync'd, renamed.
- The small files of an hour are joined to one. A crash meanwhile leaves both, and the names say
  that the one holds the others.
- What cannot be read is set aside, not deleted, until its turn comes.
- Bounded by bytes and by age, the oldest going first; and history gives way when the disk has
  less than `RESERVE` left, because alerts need it more.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol

import structlog

from gateway.api.durable import sync_folder
from gateway.api.model import SECOND, Nanos
from gateway.history import table
from gateway.history.excerpt import Excerpt, excerpt
from gateway.history.names import Name, listed, superseded
from gateway.history.table import Arrival, Span, Unreadable

log = structlog.get_logger()

RESERVE = 64 * 2**20
"""Bytes of the disk that are left to others."""
HOUR: Nanos = 3600 * SECOND
SHARE = 16
"""Small files are joined when they reach this part of the limit, whatever the hour."""
GROUP = 500_000
"""Rows of one row group, some 30 MB in memory."""
TORN, DAMAGED = ".torn", ".damaged"

Files = list[tuple[Name, Path]]


class HistoryOptions(Protocol):
    """What is read of the line file's `history` section."""

    @property
    def max_bytes(self) -> int: ...

    @property
    def max_age(self) -> Nanos: ...

    @property
    def flush(self) -> Nanos: ...


class Archive:
    """The files of one line; `facts` go into each of them, `tags` are the line's."""

    def __init__(
        self,
        folder: Path,
        options: HistoryOptions,
        facts: Mapping[str, str],
        tags: Sequence[str],
        reserve: int = RESERVE,
    ) -> None:
        self._folder, self._options, self._tags, self._reserve = folder, options, tags, reserve
        self._columns = table.schema(facts)
        self.set_aside = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._tidy()
        self._next = max((name.last for name, _ in listed(folder)), default=0) + 1
        self._run = self._next

    def _tidy(self) -> None:
        """What a crash left: a file that was not finished, and parts that were joined already."""
        for path in self._folder.glob(f"*{table.UNFINISHED}"):
            self._put_aside(path, TORN, "it was being written when the daemon ended")
        for _, path in superseded(listed(self._folder)):
            path.unlink()

    def store(self, arrivals: Sequence[Arrival]) -> None:
        """Write them as one file; OSError if the disk refuses, and then nothing was stored."""
        self._make_room()
        rows = table.as_table(arrivals, self._tags, self._columns)
        name = Name(self._run, self._next, self._next, arrivals[0][0], crc=0)
        self._write(name, [rows], self._columns)
        self._next += 1

    def _write(self, name: Name, rows: Iterable[Any], columns: Any) -> None:
        new = (self._folder / str(name)).with_suffix(table.UNFINISHED)
        crc = table.write(new, rows, columns)
        new.rename(self._folder / str(name._replace(crc=crc)))
        sync_folder(self._folder)

    def maintain(self, now: Nanos) -> None:
        """Join what is due, and bring the folder into bounds."""
        try:
            for files in self._due(now):
                self._join(files)
            self._bound(now)
        except OSError as error:
            log.warning("history.untended", why=str(error))

    def _due(self, now: Nanos) -> list[Files]:
        """Parts to be joined: those of an hour that is over, of an earlier run, or large ones."""
        parts = [file for file in listed(self._folder) if file[0].is_part]
        groups = groupby(parts, key=lambda file: (file[0].run, file[0].at // HOUR))
        due: list[Files] = []
        for (run, hour), group in groups:
            files = list(group)
            is_over = run != self._run or hour != now // HOUR
            if len(files) > 1 and (is_over or _size(files) * SHARE > self._options.max_bytes):
                due.append(files)
        return due

    def _join(self, files: Files) -> None:
        if shutil.disk_usage(self._folder).free < self._reserve + _size(files):
            return
        (first, _), (last, _) = files[0], files[-1]
        found = self._groups(files)
        rows = next(found, None)
        if rows is not None:
            # An earlier run may have had another line file; its facts stay with its samples.
            self._write(first._replace(last=last.last), chain([rows], found), rows.schema)
        for _, path in files:
            path.unlink(missing_ok=True)

    def _groups(self, files: Files) -> Iterator[Any]:
        """The rows of the files in groups of a good size; a damaged file is set aside."""
        found: list[Any] = []
        for _, path in files:
            try:
                found.append(table.read(path))
            except Unreadable as error:
                self._put_aside(path, DAMAGED, str(error))
            if sum(map(len, found)) >= GROUP:
                yield table.joined(found)
                found = []
        if found:
            yield table.joined(found)

    def _put_aside(self, path: Path, why: str, said: str) -> None:
        path.rename(path.with_name(path.name + why))
        self.set_aside += 1
        log.warning("history.set_aside", file=path.name + why, why=said)

    def _bound(self, now: Nanos) -> None:
        files = self._files()
        excess = sum(size for _, size, _ in files) - self._options.max_bytes
        for at, size, path in files:
            if excess > 0 or now - at > self._options.max_age:
                path.unlink()
                excess -= size

    def _make_room(self) -> None:
        files = iter(self._files())
        while shutil.disk_usage(self._folder).free < self._reserve:
            oldest = next(files, None)
            if oldest is None:
                raise OSError(errno.ENOSPC, "less room on the disk than is left to others")
            oldest[2].unlink()

    def _files(self) -> list[tuple[Nanos, int, Path]]:
        """Time, bytes and path of all files, the first to go first: those that were set aside."""
        aside = [path for end in (TORN, DAMAGED) for path in self._folder.glob(f"*{end}")]
        stats = [(path.stat(), path) for path in sorted(aside)]
        return [(round(s.st_mtime) * SECOND, s.st_size, path) for s, path in stats] + [
            (name.at, path.stat().st_size, path) for name, path in listed(self._folder)
        ]

    def excerpt(self, span: Span, number: Mapping[str, int], waiting: Sequence[Arrival]) -> Excerpt:
        """Samples of some tags in the span: those in the folder, and of those that wait."""
        return excerpt(self._folder, span, number, waiting)

    def facts(self) -> dict[str, object]:
        """What is there: files, bytes, the time of the oldest sample."""
        files = self._files()
        kept = listed(self._folder)
        return {
            "files": len(kept),
            "bytes": sum(size for _, size, _ in files),
            "oldest_at": min((name.at for name, _ in kept), default=0),
            "set_aside": self.set_aside,
        }


def _size(files: Files) -> int:
    return sum(path.stat().st_size for _, path in files)
