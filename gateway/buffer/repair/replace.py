"""A fresh database in place of a damaged one, which is set aside under another name.

Promises
- The damaged file and its log are renamed, never deleted or changed.
- The replacement is complete before anything is renamed. A kill or a power cut at any moment
  leaves the damaged file where it was, or a replacement that the next start puts in its place.
"""

import contextlib
import time
from pathlib import Path

from gateway.api.durable import sync_folder
from gateway.api.model import SECOND, Nanos

_FRESH = ".fresh"
_ENDINGS = ("-wal", "-shm", "")


def unfinished(path: Path) -> Path:
    """Where a replacement is made; what an earlier attempt left there is gone."""
    partial = path.with_name(path.name + ".partial")
    for ending in _ENDINGS:
        partial.with_name(partial.name + ending).unlink(missing_ok=True)
    return partial


def replace(path: Path, partial: Path, now: Nanos) -> Path:
    """Put the closed, complete database `partial` in place of `path`; where the old one went."""
    fresh = path.with_name(_free_name(path, now) + _FRESH)
    # From here on the replacement counts, whatever happens.
    partial.rename(fresh)
    sync_folder(path.parent)
    return _put(fresh, path)


def finish(path: Path) -> Path | None:
    """Put a replacement that is complete in its place; where the old file went, if there is one."""
    fresh = next(path.parent.glob(f"{path.name}.corrupt-*{_FRESH}"), None)
    return _put(fresh, path) if fresh else None


def _put(fresh: Path, path: Path) -> Path:
    aside = fresh.with_suffix("")
    for ending in _ENDINGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    # The old file has its new name before the fresh one takes its old one.
    sync_folder(path.parent)
    fresh.rename(path)
    sync_folder(path.parent)
    return aside


def _free_name(path: Path, now: Nanos) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // SECOND))
    name, number = f"{path.name}.corrupt-{stamp}", 1
    while path.with_name(name).exists():
        number += 1
        name = f"{path.name}.corrupt-{stamp}-{number}"
    return name
