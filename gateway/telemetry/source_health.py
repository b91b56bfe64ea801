"""One source: whether it is up, its counters, its last error."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.api.masking import mask
from gateway.api.model import Nanos, SampleBatch
from gateway.api.visible import SENTENCE, brief
from gateway.core.grid import FUTURE_LIMIT


@dataclass(slots=True)
class SourceHealth:
    """One source: whether it is up, its counters, its last error."""

    name: str
    up: bool = False
    since: float = field(default_factory=time.monotonic)
    error: str = ""
    connects: int = 0
    losses: int = 0
    samples: int = 0
    bad: int = 0
    lost_samples: int = 0
    diagnostics: Sequence[str] = ()
    """Why tags are bad, as the connector explains it; see `HasDiagnostics`."""
    corrected: Mapping[str, str] = field(default_factory=dict)
    """By how much the times of tags are corrected, as in '-2 h', by tag."""
    unmatched: int = 0
    wire_bytes: int = 0
    last_sample_at: Nanos = 0

    def note(self, batch: SampleBatch) -> None:
        self.samples += len(batch)
        self.bad += int(np.count_nonzero(batch.quality))
        self.lost_samples += batch.lost
        self.unmatched += batch.unmatched
        self.wire_bytes += batch.wire_bytes
        # A time that is far ahead is no sign of a new sample.
        known = batch.at[batch.at <= time.time_ns() + FUTURE_LIMIT]
        if known.size:
            self.last_sample_at = int(known.max())

    def note_up(self) -> float:
        """The source delivers; returns the seconds it was away."""
        away = time.monotonic() - self.since
        self.up, self.since, self.error = True, time.monotonic(), ""
        self.connects += 1
        return round(away, 1)

    def note_lost(self, why: str) -> bool:
        """The source is away; True if that, or its reason, is news.

        `error` becomes the reason in at most 400 visible characters.
        """
        why = brief(mask(why), SENTENCE)
        news = self.up or why != self.error
        if self.up:
            self.losses += 1
            self.since = time.monotonic()
        self.up, self.error = False, why
        return news
