"""Turns asyncua's data values into columns (pure).

Promises
- Only a finite number whose status is not bad is a value; all else is NaN with quality BAD. Text is
  a number only by the tag's enumeration.
- Every sample that is not good has its reason. An uncertain one is good if the line file says so,
  and has its reason nevertheless.
- An implausible time (none, before 2000, after 2100) is replaced by the next best: source, server,
  arrival. Where the source gave one, that is reported.
- The server's overflow bit (samples were lost in its queue) is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.opcua.options import Clock
from connectors.opcua.selection import Selection, Unusable
from connectors.opcua.statuses import in_words, name_of
from connectors.opcua.structures import Structures
from gateway.api.model import Floats, Indices, Nanos, Qualities, Quality, SampleBatch, Times

# Encoded length of a publish or read response with n float64 values that carry both times and a
# status, as part 6 of the standard prescribes, including the transport and sequence headers. With
# smaller types and omitted fields the estimate is a few bytes a value too high.
PUBLISH_BYTES, NOTIFICATION_BYTES = 102, 34
READ_BYTES, VALUE_BYTES = 60, 30

_EARLIEST, _LATEST = 946_684_800.0, 4_102_444_800.0
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_OVERFLOW_MASK, _OVERFLOW = 0x0C80, 0x0480
_NUMBERS = frozenset((float, int, bool))
_UNKNOWN = "BadNodeIdUnknown"
_PLAIN = Selection()
NO_SHARING: Mapping[int, Sequence[int]] = {}


@dataclass(frozen=True, slots=True)
class ValueRule:
    """How a tag is taken from the value of its node, and which uncertain statuses it bears.

    `hint` is added to the reason when the server does not know the node.
    """

    selection: Selection = _PLAIN
    good_enough: frozenset[str] = frozenset()
    hint: str = ""

    @property
    def is_plain(self) -> bool:
        """True if only a number is a value."""
        return not self.selection.steps and not self.selection.texts


class OpcUaColumns:
    """Decodes for tags with these rules; `clock` selects the time of a change.

    `accepted` says of each tag whose last value was used despite its status or its time why that is
    not right, `ranged` has the tags of which the server sends the element alone.
    """

    def __init__(
        self, rules: Sequence[ValueRule], clock: Clock, structures: Structures | None = None
    ) -> None:
        self._rules, self._clock = rules, clock
        self._structures = structures or Structures()
        self._plain = np.array([rule.is_plain for rule in rules], dtype=np.bool_)
        self.accepted: dict[int, str] = {}
        self.ranged: set[int] = set()

    def changes(
        self,
        items: Sequence[Any],
        arrived: Nanos,
        sharing: Mapping[int, Sequence[int]] = NO_SHARING,
    ) -> SampleBatch:
        """MonitoredItemNotifications whose client handle is the index of a tag.

        `sharing` has all tags of a handle that stands for several.
        """
        count = len(self._rules)
        rows = [
            (tag, item.Value)
            for item in items
            if item.ClientHandle < count and item.Value is not None
            for tag in sharing.get(item.ClientHandle, (item.ClientHandle,))
        ]
        tag = np.array([tag for tag, _ in rows], dtype=np.int32)
        data = [value for _, value in rows]
        size = PUBLISH_BYTES + NOTIFICATION_BYTES * len(items)
        return self._batch(tag, data, _times(data, arrived, self._clock), size)

    def read_batch(self, tag: Indices, data: Sequence[Any], at: Times) -> SampleBatch:
        """The response to a read of these tags, valid at `at` (int64[n])."""
        size = READ_BYTES + VALUE_BYTES * len(data)
        return self._batch(tag, data, at, size)

    def poll_times(self, data: Sequence[Any], at: Nanos, last: Times) -> Times:
        """The times of values polled at `at`; `last` are the times of the previous poll (int64[n]).

        A value that changed in between has its own time; any other has the time of the poll.
        """
        own = _times(data, at, self._clock)
        return np.where((last < own) & (own <= at), own, at)

    def _batch(self, tag: Indices, data: Sequence[Any], at: Times, size: int) -> SampleBatch:
        self._structures.begin()
        status = np.array([_status(each) for each in data], dtype=np.uint32)
        # The two highest bits are the severity; 3 is reserved and treated as bad.
        quality = np.minimum(status >> 30, np.uint32(Quality.BAD)).astype(np.uint8)
        value, faults = self._values(tag, data, quality)
        bad = (quality == Quality.BAD) | ~np.isfinite(value)
        value[bad], quality[bad] = np.nan, Quality.BAD
        reasons = self._reasons(tag, data, quality, faults)
        self._note_times(tag, data, quality)
        lost = int(np.count_nonzero((status & _OVERFLOW_MASK) == _OVERFLOW))
        return SampleBatch(tag, at, value, quality, size, lost, reasons=reasons)

    def _values(
        self, tag: Indices, data: Sequence[Any], quality: Qualities
    ) -> tuple[Floats, dict[int, str]]:
        """float64[n], and by row why there is no number."""
        raws = [None if each.Value is None else each.Value.Value for each in data]
        if bool(self._plain[tag].all()) and _NUMBERS.issuperset(map(type, raws)):
            values = np.array(raws, dtype=np.float64)
            if np.isfinite(values).all():
                return values, {}
        values, faults = np.full(len(raws), np.nan), dict[int, str]()
        for row, (index, raw) in enumerate(zip(tag.tolist(), raws, strict=True)):
            if quality[row] == Quality.BAD:
                continue
            try:
                values[row] = self._number(index, raw)
            except Unusable as why:
                faults[row] = str(why)
        return values, faults

    def _number(self, tag: int, raw: Any) -> float:
        selection = self._rules[tag].selection
        if tag in self.ranged:
            if not isinstance(raw, list | tuple | bytes) or len(raw) != 1:
                raise Unusable("the server did not send the one element that was requested")
            selection = Selection((0, *selection.steps[1:]), selection.texts)
        return selection.number(raw, self._structures.opened)

    def _reasons(
        self, tag: Indices, data: Sequence[Any], quality: Qualities, faults: Mapping[int, str]
    ) -> dict[int, str]:
        """Why the newest sample of a tag is not good; makes those good that are good enough."""
        reasons: dict[int, str] = {}
        if not quality.any() and not self.accepted:
            return reasons
        for row, index in enumerate(tag.tolist()):
            reasons.pop(index, None)
            self.accepted.pop(index, None)
            if quality[row] == Quality.GOOD:
                continue
            rule, status = self._rules[index], data[row].StatusCode
            why = faults.get(row) or in_words(status)
            if quality[row] == Quality.UNCERTAIN and name_of(status) in rule.good_enough:
                quality[row] = Quality.GOOD
                self.accepted[index] = f"{why}; used, it is good enough"
                continue
            reasons[index] = why + (rule.hint if why.startswith(_UNKNOWN) else "")
        return reasons

    def _note_times(self, tag: Indices, data: Sequence[Any], quality: Qualities) -> None:
        """Note of which tags the source's time is not used, because it cannot be."""
        if self._clock in ("server", "receive"):
            return
        for row, each in enumerate(data):
            moment = each.SourceTimestamp
            if moment is None or _FIRST_YEAR <= moment.year < _LAST_YEAR:
                continue
            if quality[row] == Quality.GOOD:
                why = f"its source time is of {moment.year}; the server's or ours is used"
                self.accepted.setdefault(int(tag[row]), why)


def bad_batch(tag: Indices, at: Nanos, reasons: Mapping[int, str]) -> SampleBatch:
    """One bad sample of each of these tags."""
    return SampleBatch(
        tag,
        np.full(len(tag), at, dtype=np.int64),
        np.full(len(tag), np.nan),
        np.full(len(tag), Quality.BAD, dtype=np.uint8),
        reasons=reasons,
    )


def is_good(data: Any) -> bool:
    """True if a DataValue's status is good or omitted, which means the same."""
    return data.StatusCode is None or data.StatusCode.is_good()


def _status(data: Any) -> int:
    # A good status is omitted on the wire.
    return 0 if data.StatusCode is None else data.StatusCode.value


def seconds(moment: Any) -> float:
    """A datetime as seconds since 1970, exact to the microsecond; NaN if it is implausible."""
    if moment is None:
        return np.nan
    since: float = moment.timestamp()
    return since if _EARLIEST <= since < _LATEST else np.nan


def _times(data: Sequence[Any], arrived: Nanos, clock: Clock) -> Times:
    if clock == "receive":
        return np.full(len(data), arrived, dtype=np.int64)
    moments = np.array([seconds(each.ServerTimestamp) for each in data], dtype=np.float64)
    if clock != "server":
        source = np.array([seconds(each.SourceTimestamp) for each in data], dtype=np.float64)
        moments = np.where(np.isnan(source), moments, source)
    known = ~np.isnan(moments)
    at = np.full(len(data), arrived, dtype=np.int64)
    at[known] = np.rint(moments[known] * 1e6).astype(np.int64) * 1000
    return at
