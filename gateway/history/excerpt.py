"""A short stretch of recorded history: the samples of some tags around a moment.

Promises
- Each sample once, in the order of its own time, with its quality.
- Only files that may hold the stretch are opened; one that is damaged is left out and named.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.api.model import SECOND, Nanos, SampleBatch
from gateway.history.names import between, listed, superseded
from gateway.history.read import rows
from gateway.history.table import Arrival, Span, Unreadable

LATEST: Nanos = 3600 * SECOND
"""A sample that arrived longer after its own time than this is not searched for."""


class Excerpt(NamedTuple):
    """The samples, and the names of the files that could not be read."""

    samples: SampleBatch
    damaged: Sequence[str] = ()


def excerpt(
    folder: Path, span: Span, number: Mapping[str, int], waiting: Sequence[Arrival] = ()
) -> Excerpt:
    """Samples with times in the span, both ends included, from the folder and from what waits.

    `number` is the index of each tag that is wanted, which `waiting` uses too.
    """
    damaged: list[str] = []
    found = [_within(batch, span, number) for _, batch in waiting if batch is not None]
    files = listed(folder) if folder.is_dir() else []
    doubled = superseded(files)
    whole = [file for file in files if file not in doubled]
    for _, path in between(whole, span[0], span[1] + LATEST):
        try:
            found.append(_within(rows(path, number, span)[0], span, number))
        except Unreadable:
            damaged.append(path.name)
    samples = SampleBatch.joined([_NOTHING, *found])
    return Excerpt(samples.rows(np.argsort(samples.at, kind="stable")), damaged)


def _within(batch: SampleBatch, span: Span, number: Mapping[str, int]) -> SampleBatch:
    fits = (batch.at >= span[0]) & (batch.at <= span[1])
    return batch.rows(fits & np.isin(batch.tag, list(number.values())))


_NOTHING = SampleBatch(
    np.empty(0, dtype=np.int32),
    np.empty(0, dtype=np.int64),
    np.empty(0),
    np.empty(0, dtype=np.uint8),
)
