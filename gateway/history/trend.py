"""Reads a trend from the history: bins of some tags, filled file by file, the newest file first.

Promises
- It takes a bounded time. What was not read within it is missing, and it says so with the
  time that it reaches back to.
- Memory is bounded by one row group and the bins.
- A damaged file is left out and named.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.core.trends import TrendBins
from gateway.history.excerpt import LATEST
from gateway.history.names import Name, between, listed, superseded
from gateway.history.read import newest_samples
from gateway.history.table import Arrival, Unreadable, check_plain

READ_S = 2.0
"""A client gives an answer 5 s, and the recorder waits meanwhile."""


def read_trend(
    folder: Path, bins: TrendBins, waiting: Sequence[Arrival], within_s: float = READ_S
) -> str:
    """Fills the bins from the folder and from `waiting`; says what is missing. OSError."""
    deadline = time.monotonic() + within_s
    for _, batch in waiting:
        if batch is not None:
            bins.add(batch)
    damaged, reaches = list[str](), bins.until
    for name, path in _newest_first(folder, bins):
        try:
            check_plain(path)
            in_time = _add_file(path, bins, lambda: time.monotonic() > deadline)
        except Unreadable:
            in_time = True
            damaged.append(path.name)
        if not in_time:
            return _missing(damaged, reaches, within_s)
        reaches = min(reaches, name.at)
    return _missing(damaged)


def _missing(damaged: Sequence[str], reaches: Nanos | None = None, within_s: float = 0) -> str:
    sentences = []
    if reaches is not None:
        sentences.append(
            f"what is older than {local_time(reaches)} could not be read within {within_s:g} s: "
            "ask for a shorter time, or one that ends earlier"
        )
    if damaged:
        sentences.append(f"left out because they are damaged: {', '.join(damaged[:3])}")
    return "; ".join(sentences)


def _newest_first(folder: Path, bins: TrendBins) -> list[tuple[Name, Path]]:
    """The files that may hold samples of the span."""
    files = listed(folder) if folder.is_dir() else []
    duplicates = superseded(files)
    single = [file for file in files if file not in duplicates]
    return list(between(single, bins.since, bins.until + LATEST))[::-1]


def _add_file(path: Path, bins: TrendBins, is_late: Callable[[], bool]) -> bool:
    """Adds the samples of a file; False if there was not the time for all of it."""
    numbers = {tag.name: number for number, tag in bins.tags.items()}
    for batch in newest_samples(path, numbers, (bins.since, bins.until)):
        if is_late():
            return False
        bins.add(batch)
    return True
