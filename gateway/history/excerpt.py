"""Reads excerpts of the history: samples of some tags in a span of time.

Promises
- Each sample appears once, in the order of its own time, with its quality.
- Only files that may overlap the span are opened; a damaged one is left out and named.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.api.model import SECOND, Nanos, SampleBatch
from gateway.history.names import between, listed, superseded
from gateway.history.read import samples
from gateway.history.table import Arrival, Span, Unreadable, check_plain

LATEST: Nanos = 3600 * SECOND
"""A sample that arrived longer than this after its own time may be missing."""


class Excerpt(NamedTuple):
    """The samples, and the names of damaged files."""

    samples: SampleBatch
    damaged: Sequence[str] = ()


def excerpt(
    folder: Path, span: Span, number: Mapping[str, int], waiting: Sequence[Arrival] = ()
) -> Excerpt:
    """Samples with times in the span, both ends included, from the folder and from `waiting`.

    `number` is the index of each requested tag; `waiting` uses the same indices.
    """
    damaged: list[str] = []
    batches = [_within(batch, span, number) for _, batch in waiting if batch is not None]
    files = listed(folder) if folder.is_dir() else []
    duplicates = superseded(files)
    single = [file for file in files if file not in duplicates]
    for _, path in between(single, span[0], span[1] + LATEST):
        try:
            check_plain(path)
            batches += [_within(batch, span, number) for batch in samples(path, number, span)]
        except Unreadable:
            damaged.append(path.name)
    whole = SampleBatch.joined([_EMPTY, *batches])
    return Excerpt(whole.rows(np.argsort(whole.at, kind="stable")), damaged)


def _within(batch: SampleBatch, span: Span, number: Mapping[str, int]) -> SampleBatch:
    fits = (batch.at >= span[0]) & (batch.at <= span[1])
    return batch.rows(fits & np.isin(batch.tag, list(number.values())))


_EMPTY = SampleBatch(
    np.empty(0, dtype=np.int32),
    np.empty(0, dtype=np.int64),
    np.empty(0),
    np.empty(0, dtype=np.uint8),
)
