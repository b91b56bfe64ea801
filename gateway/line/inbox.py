"""The bounded queue between the sources and the line.

Promises
- Sources never wait: when it is full the oldest batches are dropped, and counted, because the
  newest value of a live signal is worth most.
- `drain` hands everything over as one batch of columns, in order of arrival.
"""

from collections import deque

import numpy as np

from gateway.api.model import SampleBatch

LIMIT = 500_000
"""Samples: about 12 MB, and 100 s of 5,000 tags at 1 Hz."""


class Inbox:
    """Batches of all sources, with the line's tag indices."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.dropped = 0
        self._limit = limit
        self._batches: deque[SampleBatch] = deque()
        self._samples = 0

    def put(self, batch: SampleBatch, first_tag: int) -> None:
        """Add a source's batch; `first_tag` is where its tags start among the line's.

        An empty one is nothing that arrived.
        """
        if not len(batch):
            return
        shifted = SampleBatch(batch.tag + np.int32(first_tag), batch.at, batch.value, batch.quality)
        self._batches.append(shifted)
        self._samples += len(shifted)
        while self._samples > self._limit:
            lost = len(self._batches.popleft())
            self._samples -= lost
            self.dropped += lost

    def drain(self) -> SampleBatch | None:
        """Everything that arrived since the last call; None if nothing did."""
        if not self._batches:
            return None
        batches = list(self._batches)
        self._batches.clear()
        self._samples = 0
        if len(batches) == 1:
            return batches[0]
        return SampleBatch.joined(batches)

    def __len__(self) -> int:
        return self._samples

    def __repr__(self) -> str:
        return f"<Inbox {self._samples} samples waiting, {self.dropped} dropped>"
