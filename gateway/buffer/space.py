"""Eviction and expiry of stored points.

Promises
- Clips are evicted first. Then old summaries are merged to a coarser interval, then dropped, oldest
  first; then the gateway's own points. An alert is evicted only when nothing else is left, and the
  alert of an active alarm never.
- Summaries that a sink may have received are not merged: it would store both the parts and the
  whole.
- All points expire except alerts.
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.api.model import Envelope, Kind, Loss, Nanos
from gateway.buffer.handling import PointHandling
from gateway.buffer.rows import PointTable, Span

EVICTED = (Kind.SUMMARY, Kind.GATEWAY, Kind.ALERT)
"""The order of eviction when no clip is left and nothing more can be merged."""
EXPIRING = (Kind.SUMMARY, Kind.GATEWAY, Kind.CLIP)
MERGED_AT_ONCE = 20_000
"""The rows of one interval merged at once; further rows are merged separately."""


class OpenAlarms:
    """Alarms whose activation is stored but not their return to normal."""

    def __init__(self, rows: PointTable, handling: PointHandling | None) -> None:
        self._handling = handling
        self._number: dict[str, int] = {}
        self.note(rows.between(0, rows.next).sound)

    def note(self, alerts: list[Envelope]) -> None:
        """Updates the open alarms by newly stored alerts."""
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
        """The numbers of the rows that must be kept."""
        return frozenset(self._number.values())


class Space:
    """Evicts, merges and expires points of all classes, inside the caller's transaction.

    Without `handling` nothing is merged, and alerts of active alarms are not recognised.
    """

    def __init__(
        self,
        rows: Mapping[Kind, PointTable],
        leased: Callable[[Kind], int],
        handling: PointHandling | None,
    ) -> None:
        self._rows, self._leased, self._handling = rows, leased, handling
        self._unmerged = 0
        self.merged = 0
        """The number of summaries replaced by coarser ones."""
        self.alarms = OpenAlarms(rows[Kind.ALERT], handling)

    @property
    def used(self) -> int:
        """The cost of all stored points in bytes."""
        return sum(rows.bytes for rows in self._rows.values())

    @property
    def kept(self) -> int:
        """The cost without clips, which are evicted before everything else."""
        return self.used - self._rows[Kind.CLIP].bytes

    def make_room(self, limit: int) -> Iterator[Loss]:
        """Reduces the cost to `limit` as far as allowed; yields the losses."""
        yield from self._evict(Kind.CLIP, limit)
        while self.used > limit and self.merge():
            pass
        for kind in EVICTED:
            yield from self._evict(kind, limit)

    def _evict(self, kind: Kind, limit: int) -> Iterator[Loss]:
        rows = self._rows[kind]
        spare = self.alarms.numbers() if kind is Kind.ALERT else frozenset()
        while (excess := self.used - limit) > 0:
            until = rows.up_to_free(excess, spare)
            if not until:
                break
            yield _loss(kind, "evicted", rows.delete(until, spare))

    def expire(self, before: Nanos) -> Iterator[Loss]:
        """Deletes points before that time, except alerts; yields the losses."""
        for kind in EXPIRING:
            rows = self._rows[kind]
            gone = rows.delete(rows.last_before(before))
            if gone.count:
                yield _loss(kind, "expired", gone)

    def merge(self) -> bool:
        """Merges the summaries of the oldest possible interval; returns whether there was one."""
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


def _one_interval(rows: PointTable, start: int, interval: Nanos) -> list[Envelope]:
    """The sound summaries from `start` on that are in the interval of the first one."""
    first = rows.between(start, 2**62, 1).sound
    if not first:
        return []
    end = ((first[0].at - 1) // interval + 1) * interval
    end_number = rows.first_after(start, end)
    return rows.between(start, end_number - 1, MERGED_AT_ONCE).sound


def _loss(kind: Kind, reason: str, gone: Span) -> Loss:
    return Loss(kind, reason, gone.count, gone.since, gone.until)
