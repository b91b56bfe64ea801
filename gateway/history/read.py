"""Reads history back as the line took it in: look by look, in the order of the runs."""

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


class Run(NamedTuple):
    """The files of one run of the daemon, in their order, and when it started."""

    started: Nanos
    paths: Sequence[Path]


def runs(paths: Sequence[Path]) -> list[Run]:
    """The runs in these files and folders; ConfigError for a file that is no history."""
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    named = sorted((_name(file), file) for file in dict.fromkeys(files))
    groups = groupby(named, key=lambda found: found[0].run)
    return [_run([path for _, path in group]) for _, group in groups]


def _name(path: Path) -> Any:
    name = name_of(path)
    if name is None:
        raise ConfigError(
            f"{path} is not named as a file of history is; a copy keeps its name (docs/history.md)"
        )
    return name


def _run(paths: Sequence[Path]) -> Run:
    facts = table.read_facts(paths[0])
    if not facts.get("started", "").isdecimal():
        raise ConfigError(f"{paths[0]} does not say when its run started: it is not andon's")
    return Run(int(facts["started"]), paths)


def arrivals(path: Path, number: Mapping[str, int]) -> Iterator[Arrival]:
    """What one file holds; `number` is the index of each tag of the line, others are left out."""
    whole, arrived = rows(path, number)
    edges = np.flatnonzero(np.diff(arrived)) + 1
    bounds = [0, *edges.tolist(), len(arrived)] if len(arrived) else [0]
    for first, last in pairwise(bounds):
        batch = whole.rows(np.arange(first, last)[whole.tag[first:last] >= 0])
        yield int(arrived[first]), batch if len(batch) else None


def rows(
    path: Path, number: Mapping[str, int], span: Span | None = None
) -> tuple[SampleBatch, Times]:
    """Every row of a file, with tag -1 where it is of none that has a number; its arrival, ns.

    With a `span` of sample times, all rows of that span and some others.
    """
    found = table.read(path, span)
    quality = _coded(found["quality"], {word: n for n, word in enumerate(table.QUALITIES)})
    at, arrived = (np.asarray(found[name].cast("int64")) for name in ("time", "arrived"))
    tag, value = _coded(found["tag"], number), found["value"].to_numpy()
    return SampleBatch(tag.astype(np.int32), at, value, quality.astype(np.uint8)), arrived


def _coded(column: Any, number: Mapping[str, int]) -> NDArray[np.int64]:
    """The words as numbers; -1 for none, and for one that has no number."""
    words = column.unify_dictionaries().combine_chunks()
    known = [number.get(word, -1) for word in words.dictionary.to_pylist()]
    index = np.asarray(words.indices.fill_null(len(known)))
    numbers: NDArray[np.int64] = np.array([*known, -1], dtype=np.int64)[index]
    return numbers
