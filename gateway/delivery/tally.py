"""Counters of the delivery to one sink."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.api.masking import mask
from gateway.api.model import Envelope, Kind, Nanos
from gateway.api.wording import kind_of


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
    _refusals: dict[Kind, str] = field(default_factory=dict)
    """The reason, without its values, for which points of a class were refused last."""

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
        """Counts a failed batch; True if it is news.

        It is if the sink was up, if `needs_human` changed, or if a human must help for another
        reason than before.
        """
        why = mask(why)
        is_changed = needs_human and kind_of(why) != kind_of(self.error)
        news = self.up or needs_human != self.needs_human or is_changed
        if self.up:
            self.failures += 1
            self.away_since = now
        else:
            self.retries += 1
        self.up, self.error, self.needs_human = False, why, needs_human
        return news

    def note_rejected(self, rejected: Sequence[Envelope], why: str) -> bool:
        """Counts points that the sink will never take; True if the class or the reason is new."""
        self.rejected += len(rejected)
        kinds, reason = {envelope.kind for envelope in rejected}, kind_of(why)
        news = any(self._refusals.get(kind) != reason for kind in kinds)
        self._refusals |= dict.fromkeys(kinds, reason)
        return news

    def note_accepted(self, batch: Sequence[Envelope]) -> list[Kind]:
        """The classes of a batch that were refused before."""
        kinds = {envelope.kind for envelope in batch}
        again = sorted(kind for kind in kinds if kind in self._refusals)
        for kind in again:
            del self._refusals[kind]
        return again
