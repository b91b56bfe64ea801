"""Counters of the delivery to one sink."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.api.model import Envelope, Kind, Nanos


@dataclass(slots=True)
class Tally:
    """Counters and state of the delivery to one sink; times in ns since 1970. No clock."""

    up: bool = True
    error: str = ""
    needs_human: bool = False
    sent: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    sent_bytes: int = 0
    clip_bytes: int = 0
    """The part of `sent_bytes` that was clips."""
    rejected: int = 0
    failures: int = 0
    retries: int = 0
    last_success_at: Nanos = 0
    away_since: Nanos = 0

    def note_sent(self, batch: Sequence[Envelope], now: Nanos) -> None:
        """Counts a batch that the sink took."""
        for envelope in batch:
            self.sent[envelope.kind] += 1
        self.last_success_at = now

    def note_answer(self, now: Nanos) -> float | None:
        """Marks the sink as up; returns how long it was away (s), or None if it was up before."""
        if self.up:
            return None
        self.up, self.error, self.needs_human = True, "", False
        return round((now - self.away_since) / 1e9, 1)

    def note_failure(self, why: str, now: Nanos, *, needs_human: bool = False) -> bool:
        """Counts a failed batch; True if the sink was up, or if `needs_human` changed."""
        news = self.up or needs_human != self.needs_human
        if self.up:
            self.failures += 1
            self.away_since = now
        else:
            self.retries += 1
        self.up, self.error, self.needs_human = False, why, needs_human
        return news
