"""Downsampling that keeps the extremes: the lowest and the highest of each stretch. Pure.

Promises
- What is kept was measured just so: no value is averaged or made up.
- The spikes stay: each stretch of a tag keeps its lowest and its highest value.
- Room that a slow tag does not need goes to the fast ones.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.api.model import Floats, SampleBatch


def downsampled(samples: SampleBatch, most: int) -> SampleBatch:
    """At most `most` of these samples, in their order."""
    if len(samples) <= most:
        return samples
    tags = [np.flatnonzero(samples.tag == tag) for tag in np.unique(samples.tag)]
    kept, left = [], most
    for done, rows in enumerate(sorted(tags, key=len)):
        share = left // (len(tags) - done)
        kept.append(rows if len(rows) <= share else _extremes(rows, samples.value, share))
        left -= len(kept[-1])
    return samples.rows(np.sort(np.concatenate(kept)))


def _extremes(rows: NDArray[np.intp], value: Floats, share: int) -> NDArray[np.intp]:
    """The rows of the lowest and the highest value of equal stretches, at most `share` of them."""
    stretches = np.array_split(rows, max(share // 2, 1))
    lowest = [part[np.argmin(np.nan_to_num(value[part], nan=np.inf))] for part in stretches]
    highest = [part[np.argmax(np.nan_to_num(value[part], nan=-np.inf))] for part in stretches]
    return np.unique([*lowest, *highest])[:share]
