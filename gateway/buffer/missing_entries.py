"""Entries that the alarm journal lost, or gave up before their retention. Pure.

Promises
- They are counted by reason. A sentence in the status says so for a while, and notes in the journal
  say so for as long as they are kept: at once, and of more entries once an hour.
"""

from collections import Counter
from collections.abc import Mapping

from gateway.api.model import SECOND, Nanos
from gateway.buffer.given_up import RECENT
from gateway.core.alarms.journal import JournalEntry, note

AGAIN: Nanos = 3600 * SECOND
"""How long after a note of one reason the next one is written."""
WHY: Mapping[str, str] = {
    "max_bytes": "no room: journal.max_bytes was reached before journal.keep",
    "disk_full": "the disk was full, and newer entries needed the space",
    "damaged": "not recovered from a damaged buffer",
    "lost_tail": "missing at the end of the buffer's log",
    "corrupt": "damaged on disk",
}


class MissingEntries:
    """What is missing since the start."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        """By reason."""
        self._unsaid: Counter[str] = Counter()
        self._said_at: dict[str, Nanos] = {}
        self._newest_at: dict[str, Nanos] = {}

    def add(self, reason: str, count: int, now: Nanos) -> bool:
        """Counts missing entries; whether it is news that entries are missing for this reason."""
        if not count:
            return False
        is_news = now - self._newest_at.get(reason, 0) >= RECENT
        self.counted[reason] += count
        self._unsaid[reason] += count
        self._newest_at[reason] = now
        return is_news

    def due(self, now: Nanos) -> dict[str, JournalEntry]:
        """The notes to be written now, by reason; call `said` when they are stored."""
        return {
            reason: note(now, f"{_counted(count)} missing: {WHY[reason]}", lost=count, why=reason)
            for reason, count in self._unsaid.items()
            if count and not now - self._said_at.get(reason, -AGAIN) < AGAIN
        }

    def said(self, reasons: Mapping[str, JournalEntry], now: Nanos) -> None:
        """The notes of these reasons are stored."""
        for reason, stored in reasons.items():
            self._unsaid[reason] -= stored.facts["lost"]
            self._said_at[reason] = now

    def sentences(self, now: Nanos) -> list[str]:
        """What a person should still hear of, one sentence for each reason."""
        return [
            f"journal: {_counted(self.counted[reason])} missing ({WHY[reason]})"
            for reason, at in self._newest_at.items()
            if now - at < RECENT
        ]


def _counted(count: int) -> str:
    return f"{count:,} entr{'y is' if count == 1 else 'ies are'}"
