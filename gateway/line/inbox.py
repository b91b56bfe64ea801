"""The bounded queue between the sources and the line.

Promises
- Sources never wait: when it is full the oldest batches are dropped, and counted, because the
  newest value of a live signal is worth most.
- A reason has at most 400 visible characters, whatever a device wrote into it.
- A value beyond the bounds of its tag is bad from here on, live and replayed alike.
- `drain` hands everything over as one batch of columns, in order of arrival.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.api.bounds import Bounds
from gateway.api.model import SampleBatch, Tag
from gateway.api.visible import SENTENCE, brief

LIMIT = 500_000
"""Samples: about 12 MB, and 100 s of 5,000 tags at 1 Hz."""


class Inbox:
    """Batches of all sources, with the line's tag indices."""

    def __init__(self, tags: Sequence[Tag], limit: int = LIMIT) -> None:
        self.dropped = 0
        self._bounds = Bounds(tags)
        self._limit = limit
        self._batches: deque[SampleBatch] = deque()
        self._samples = 0

    def put(self, batch: SampleBatch, first_tag: int) -> SampleBatch:
        """Add a source's batch; `first_tag` is where its tags start among the line's.

        Returns what was added: with the line's indices, and with the bounds of the tags applied.
        """
        reasons = {tag + first_tag: brief(why, SENTENCE) for tag, why in batch.reasons.items()}
        own = replace(batch, tag=batch.tag + np.int32(first_tag), reasons=reasons)
        added = self._bounds.apply(own)
        if not len(added):
            return added
        self._batches.append(added)
        self._samples += len(added)
        while self._samples > self._limit:
            lost = len(self._batches.popleft())
            self._samples -= lost
            self.dropped += lost
        return added

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
