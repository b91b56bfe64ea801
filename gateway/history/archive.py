"""The bounded folder of history files. Used by the recorder's thread alone.

Promises
- A file is complete or absent: it is written under another name, fsync'd and renamed.
- The small files of an hour are joined to one. A crash during that leaves both, and their names
  show that the large one holds the small ones.
- Unreadable files are set aside, not deleted at once; beyond the bounds they are deleted first.
- Files and folder are private. What is no plain file, such as a link, is not opened; a folder that
  is one is refused. A folder that was removed is made again, unless the whole state folder is gone.
- The folder is bounded by bytes and age, oldest first. History is also deleted when the disk has
  less than `RESERVE` left, because alerts need the space more.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Protocol

import structlog

from gateway.api import private
from gateway.api.durable import make_folder, sync_folder
from gateway.api.model import SECOND, Nanos
from gateway.core.trends import TrendBins
from gateway.history import table
from gateway.history.excerpt import Excerpt, excerpt
from gateway.history.names import Name, listed, superseded
from gateway.history.table import Arrival, Span, Unreadable
from gateway.history.trend import read_trend

log = structlog.get_logger()

RESERVE = 64 * 2**20
"""Bytes of the disk that history leaves free."""
HOUR: Nanos = 3600 * SECOND
SHARE = 16
"""Small files are joined early when they reach 1/SHARE of the limit."""
GROUP = 500_000
"""Rows in one row group, some 30 MB in memory."""
TORN, DAMAGED = ".torn", ".damaged"

Files = list[tuple[Name, Path]]


class HistoryOptions(Protocol):
    """The options of the line file's `history` section that are used here."""

    @property
    def max_bytes(self) -> int: ...

    @property
    def max_age(self) -> Nanos: ...

    @property
    def flush(self) -> Nanos: ...


class Archive:
    """The history files of one line; `facts` go into each of them, `tags` are the line's.

    `misplaced` says why the state folder above is not in its place, and is empty while it is.
    """

    def __init__(
        self,
        folder: Path,
        options: HistoryOptions,
        facts: Mapping[str, str],
        tags: Sequence[str],
        reserve: int = RESERVE,
        *,
        misplaced: Callable[[], str] = str,
    ) -> None:
        self._folder, self._options, self._tags, self._reserve = folder, options, tags, reserve
        self._columns = table.schema(facts)
        self._misplaced = misplaced
        self.set_aside = 0
        self._opened: os.stat_result | None = None
        self.stand()
        self._clean_up()
        self._next = max((name.last for name, _ in listed(folder)), default=0) + 1
        self._run = self._next

    def stand(self) -> None:
        """Checks that the folder is in its place; makes it if it is gone. OSError."""
        why = self._misplaced()
        if why:
            raise OSError(errno.ENOENT, why)
        if self._opened is None:
            make_folder(self._folder.parent)
        changed = private.misplaced(self._folder, self._opened) if self._opened else ""
        if self._folder.is_symlink():
            raise OSError(errno.ELOOP, f"{self._folder} is a symbolic link; remove it")
        self._folder.mkdir(0o700, exist_ok=True)
        self._opened = self._folder.lstat()
        if changed:
            log.error("history.folder_renewed", why=changed)

    def _clean_up(self) -> None:
        """Removes what a crash left: an unfinished file, and parts that were joined already."""
        for path in self._folder.glob(f"*{table.UNFINISHED}"):
            self._quarantine(path, TORN, "it was being written when the daemon ended")
        for _, path in superseded(listed(self._folder)):
            path.unlink()

    def store(self, arrivals: Sequence[Arrival]) -> None:
        """Writes the arrivals as one file; OSError if the disk fails, with nothing stored."""
        self.stand()
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
        """Joins due files, and deletes the oldest beyond the bounds."""
        try:
            for files in self._due(now):
                self._join(files)
            self._bound(now)
        except OSError as error:
            log.warning("history.maintenance_failed", why=error.strerror or str(error))

    def _due(self, now: Nanos) -> list[Files]:
        """The parts to join: of a past hour, of an earlier run, or together large."""
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
        groups = self._groups(files)
        rows = next(groups, None)
        if rows is not None:
            # An earlier run may have had another line file; its facts stay with its samples.
            self._write(first._replace(last=last.last), chain([rows], groups), rows.schema)
        for _, path in files:
            path.unlink(missing_ok=True)

    def _groups(self, files: Files) -> Iterator[Any]:
        """The rows of the files in large groups; a damaged file is set aside."""
        tables: list[Any] = []
        for _, path in files:
            try:
                table.check_plain(path)
                tables.append(table.read(path))
            except Unreadable as error:
                self._quarantine(path, DAMAGED, str(error))
            if sum(map(len, tables)) >= GROUP:
                yield table.joined(tables)
                tables = []
        if tables:
            yield table.joined(tables)

    def _quarantine(self, path: Path, suffix: str, why: str) -> None:
        path.rename(path.with_name(path.name + suffix))
        self.set_aside += 1
        log.warning("history.set_aside", file=path.name + suffix, why=why)

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
                raise OSError(errno.ENOSPC, "the disk has less free space than history must leave")
            oldest[2].unlink()

    def _files(self) -> list[tuple[Nanos, int, Path]]:
        """Time, bytes and path of all files in the order of deletion, set-aside ones first."""
        damaged = [path for end in (TORN, DAMAGED) for path in self._folder.glob(f"*{end}")]
        stats = [(path.lstat(), path) for path in sorted(damaged)]
        return [(round(s.st_mtime) * SECOND, s.st_size, path) for s, path in stats] + [
            (name.at, path.lstat().st_size, path) for name, path in listed(self._folder)
        ]

    def excerpt(self, span: Span, number: Mapping[str, int], waiting: Sequence[Arrival]) -> Excerpt:
        """Samples of some tags in the span, from the folder and from `waiting`."""
        return excerpt(self._folder, span, number, waiting)

    def trend(self, bins: TrendBins, waiting: Sequence[Arrival]) -> str:
        """Fills the bins from the folder and from `waiting`; says what is missing."""
        return read_trend(self._folder, bins, waiting)

    def facts(self) -> dict[str, object]:
        """The folder's state: files, bytes, the time of the oldest sample."""
        files = self._files()
        kept = listed(self._folder)
        return {
            "files": len(kept),
            "bytes": sum(size for _, size, _ in files),
            "oldest_at": min((name.at for name, _ in kept), default=0),
            "set_aside": self.set_aside,
        }


def _size(files: Files) -> int:
    return sum(path.lstat().st_size for _, path in files)
