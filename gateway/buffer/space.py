"""Who goes when space runs short or points grow old.

Promises
- Clips go first. Then old summaries are merged to a coarser interval, then dropped, oldest first;
  then the gateway's own points. An alert goes only when nothing else is left, and that of an active
  alarm never.
- Nothing that a sink may have got already is merged: parts and whole would both be stored there.
- Age takes everything but alerts.
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.handling import PointHandling
from gateway.buffer.rows import Rows, Span

EVICTED = (Kind.SUMMARY, Kind.GATEWAY, Kind.ALERT)
"""Who goes first when no clip is left and nothing more can be merged."""
AGEING = (Kind.SUMMARY, Kind.GATEWAY, Kind.CLIP)
MERGED_AT_ONCE = 20_000
"""Rows of one interval; what is more is merged by itself."""


class OpenAlarms:
    """The stored activations whose return to normal has not been stored."""

    def __init__(self, rows: Rows, handling: PointHandling | None) -> None:
        self._handling = handling
        self._number: dict[str, int] = {}
        self.note(rows.between(0, rows.next).sound)

    def note(self, alerts: list[Envelope]) -> None:
        """Alerts that are stored, with their numbers."""
        if self._handling is None:
            return
        for envelope in alerts:
            alarm = self._handling.alarm(envelope)
            if alarm is None:
                continue
            name, is_active = alarm
            if is_active:
                self._number.setdefault(name, envelope.key)
            else:
                self._number.pop(name, None)

    def numbers(self) -> frozenset[int]:
        """The rows that must stay."""
        return frozenset(self._number.values())


class Space:
    """Makes room in the rows of all classes, inside the caller's transaction.

    Without `handling` nothing is merged, and no alert is known to be that of an active alarm.
    """

    def __init__(
        self,
        rows: Mapping[Kind, Rows],
        leased: Callable[[Kind], int],
        handling: PointHandling | None,
    ) -> None:
        self._rows, self._leased, self._handling = rows, leased, handling
        self._unmerged = 0
        self.merged = 0
        """Summaries that went into coarser ones."""
        self.alarms = OpenAlarms(rows[Kind.ALERT], handling)

    @property
    def used(self) -> int:
        """What all stored points cost."""
        return sum(rows.bytes for rows in self._rows.values())

    @property
    def kept(self) -> int:
        """The same without clips, which give way to everything else."""
        return self.used - self._rows[Kind.CLIP].bytes

    def make(self, limit: int) -> Iterator[Loss]:
        """Bring the cost under `limit` as far as that is allowed; what was lost."""
        yield from self._evict(Kind.CLIP, limit)
        while self.used > limit and self.merge():
            pass
        for kind in EVICTED:
            yield from self._evict(kind, limit)

    def _evict(self, kind: Kind, limit: int) -> Iterator[Loss]:
        rows = self._rows[kind]
        spare = self.alarms.numbers() if kind is Kind.ALERT else frozenset()
        while (excess := self.used - limit) > 0:
            until = rows.enough(excess, spare)
            if not until:
                break
            yield _loss(kind, "evicted", rows.delete(until, spare))

    def expire(self, before: Nanos) -> Iterator[Loss]:
        """Give up what is older than that."""
        for kind in AGEING:
            rows = self._rows[kind]
            gone = rows.delete(rows.older(before))
            if gone.count:
                yield _loss(kind, "expired", gone)

    def merge(self) -> bool:
        """Merge the oldest summaries that still can be, one interval of them; whether any could."""
        if self._handling is None:
            return False
        rows = self._rows[Kind.SUMMARY]
        while True:
            start = max(self._unmerged, self._leased(Kind.SUMMARY)) + 1
            summaries = _one_interval(rows, start, self._handling.merge_interval)
            if not summaries:
                return False
            self._unmerged = summaries[-1].key
            written, gone = self._handling.merge(summaries)
            if written:
                rows.remove(gone)
                rows.put(written)
                self.merged += len(gone) - len(written)
                return True


def _one_interval(rows: Rows, start: int, interval: Nanos) -> list[Envelope]:
    """Summaries from a number on that belong to the interval of the first one; sound ones."""
    first = rows.between(start, 2**62, 1).sound
    if not first:
        return []
    end = ((first[0].at - 1) // interval + 1) * interval
    beyond = rows.above(start, end)
    return rows.between(start, beyond - 1, MERGED_AT_ONCE).sound


def _loss(kind: Kind, reason: str, gone: Span) -> Loss:
    return Loss(kind, reason, gone.count, gone.since, gone.until)
