"""Swaps a fresh database in for a damaged one, which is set aside under another name.

Promises
- The damaged file and its WAL are renamed, never deleted or changed.
- The replacement is complete before anything is renamed. A kill or a power cut at any moment
  leaves either the damaged file in place, or a replacement that the next start swaps in.
"""

import contextlib
import time
from pathlib import Path

from gateway.api.durable import sync_folder
from gateway.api.model import SECOND, Nanos

_FRESH = ".fresh"
_ENDINGS = ("-wal", "-shm", "")


def unfinished(path: Path) -> Path:
    """The path at which a replacement is built; remains of an earlier attempt are deleted."""
    partial = path.with_name(path.name + ".partial")
    for ending in _ENDINGS:
        partial.with_name(partial.name + ending).unlink(missing_ok=True)
    return partial


def swap_in(path: Path, partial: Path, now: Nanos) -> Path:
    """Replaces `path` by the closed, complete database `partial`; the new path of the old one."""
    fresh = path.with_name(_free_name(path, now) + _FRESH)
    # After this rename every start uses the replacement.
    partial.rename(fresh)
    sync_folder(path.parent)
    return _put(fresh, path)


def finish(path: Path) -> Path | None:
    """Swaps in a complete replacement, if there is one; the new path of the old file.

    What a kill left of an incomplete one, which may be as large as the buffer, is deleted.
    """
    unfinished(path)
    fresh = next(path.parent.glob(f"{path.name}.corrupt-*{_FRESH}"), None)
    return _put(fresh, path) if fresh else None


def _put(fresh: Path, path: Path) -> Path:
    damaged = fresh.with_suffix("")
    for ending in _ENDINGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(damaged.with_name(damaged.name + ending))
    # The rename of the old file is durable before the fresh one takes its name.
    sync_folder(path.parent)
    fresh.rename(path)
    sync_folder(path.parent)
    return damaged


def _free_name(path: Path, now: Nanos) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now // SECOND))
    name, number = f"{path.name}.corrupt-{stamp}", 1
    while path.with_name(name).exists():
        number += 1
        name = f"{path.name}.corrupt-{stamp}-{number}"
    return name
