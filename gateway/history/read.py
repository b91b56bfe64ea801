"""Reads history back as the line received it: tick by tick, in the order of the runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.api.contracts import ConfigError
from gateway.api.model import Nanos, SampleBatch, Times
from gateway.history import table
from gateway.history.names import files_in, name_of
from gateway.history.table import Arrival, Span

_STARTED = re.compile(r"[0-9]{1,19}")
"""Nanoseconds since 1970, in as many digits as 64 bits hold."""


_NUMBER = {word: n for n, word in enumerate(table.QUALITIES)}


class Run(NamedTuple):
    """The files of one run of the daemon, in order, and the time when it started."""

    started: Nanos
    paths: Sequence[Path]


def runs(paths: Sequence[Path]) -> list[Run]:
    """The runs in these files and folders; ConfigError for a file that is not history."""
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    named = sorted((_name(file), file) for file in dict.fromkeys(files))
    groups = groupby(named, key=lambda pair: pair[0].run)
    return [_run([path for _, path in group]) for _, group in groups]


def _name(path: Path) -> Any:
    name = name_of(path)
    if name is None:
        raise ConfigError(
            f"{path} does not have the name of a history file; a copy must keep its name "
            "(docs/history.md)"
        )
    return name


def _run(paths: Sequence[Path]) -> Run:
    started = table.read_facts(paths[0]).get("started", "")
    if not _STARTED.fullmatch(started) or int(started) >= 2**62:
        raise ConfigError(f"{paths[0]} lacks the start time of its run: not written by andon")
    return Run(int(started), paths)


def arrivals(path: Path, number: Mapping[str, int]) -> Iterator[Arrival]:
    """The arrivals in a file; `number` is the index of each tag, others are left out."""
    waiting: tuple[SampleBatch, Times] | None = None
    for part in table.groups(path):
        whole, arrived = _rows(part, number)
        if waiting is not None:
            # A tick may go on in the next row group.
            whole = SampleBatch.joined([waiting[0], whole])
            arrived = np.concatenate([waiting[1], arrived])
        edges = (np.flatnonzero(np.diff(arrived)) + 1).tolist()
        yield from _ticks(whole, arrived, [0, *edges])
        last = np.arange(edges[-1] if edges else 0, len(arrived))
        waiting = whole.rows(last), arrived[last]
    if waiting is not None and len(waiting[1]):
        yield from _ticks(*waiting, [0, len(waiting[1])])


def _ticks(whole: SampleBatch, arrived: Times, bounds: Sequence[int]) -> Iterator[Arrival]:
    for first, last in pairwise(bounds):
        batch = whole.rows(np.arange(first, last)[whole.tag[first:last] >= 0])
        yield int(arrived[first]), batch if len(batch) else None


def samples(path: Path, number: Mapping[str, int], span: Span) -> Iterator[SampleBatch]:
    """All samples of a span of sample times and some others, with tag -1 for other tags."""
    for part in table.groups(path, span):
        yield _rows(part, number)[0]


def newest_samples(path: Path, number: Mapping[str, int], span: Span) -> Iterator[SampleBatch]:
    """The samples of the tags with a number, the newest row group first.

    Whole row groups that touch the span: some samples are outside it.
    """
    for part in table.groups(path, span, table.SAMPLE, newest_first=True):
        tag = _coded(part["tag"], number)
        # The other columns are converted for these rows alone.
        rows = np.flatnonzero(tag >= 0)
        quality = _coded(part["quality"], _NUMBER)[rows].astype(np.uint8)
        at = np.asarray(part["time"].cast("int64"))[rows]
        yield SampleBatch(tag[rows].astype(np.int32), at, part["value"].to_numpy()[rows], quality)


def _rows(content: Any, number: Mapping[str, int]) -> tuple[SampleBatch, Times]:
    """Rows, with tag -1 for tags without a number, and their arrival times in ns."""
    quality = _coded(content["quality"], _NUMBER)
    at, arrived = (np.asarray(content[name].cast("int64")) for name in ("time", "arrived"))
    tag, value = _coded(content["tag"], number), content["value"].to_numpy()
    return SampleBatch(tag.astype(np.int32), at, value, quality.astype(np.uint8)), arrived


def _coded(column: Any, number: Mapping[str, int]) -> NDArray[np.int64]:
    """The words as numbers; -1 for null, and for a word without a number."""
    words = column.unify_dictionaries().combine_chunks()
    known = [number.get(word, -1) for word in words.dictionary.to_pylist()]
    index = np.asarray(words.indices.fill_null(len(known)))
    numbers: NDArray[np.int64] = np.array([*known, -1], dtype=np.int64)[index]
    return numbers
