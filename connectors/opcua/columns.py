"""Turns asyncua's data values into columns (pure).

Promises
- Only a finite number whose status is not bad is a value; all else is NaN with quality BAD. Text is
  never converted to a number.
- An implausible time (none, before 2000, after 2100) is replaced by the next best: source, server,
  arrival.
- The server's overflow bit (samples were lost in its queue) is counted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from connectors.opcua.options import Clock
from gateway.api.model import Floats, Indices, Nanos, Quality, SampleBatch, Times

# Encoded length of a publish or read response with n float64 values that carry both times and a
# status, as part 6 of the standard prescribes, including the transport and sequence headers. With
# smaller types and omitted fields the estimate is a few bytes a value too high.
PUBLISH_BYTES, NOTIFICATION_BYTES = 102, 34
READ_BYTES, VALUE_BYTES = 60, 30

_EARLIEST, _LATEST = 946_684_800.0, 4_102_444_800.0
_OVERFLOW_MASK, _OVERFLOW = 0x0C80, 0x0480
_NUMBERS = frozenset((float, int, bool))


class OpcUaColumns:
    """Decodes for a connector with `count` tags; `clock` selects the time of a change."""

    def __init__(self, count: int, clock: Clock) -> None:
        self._count, self._clock = count, clock

    def changes(self, items: Sequence[Any], arrived: Nanos) -> SampleBatch:
        """MonitoredItemNotifications whose client handle is the tag's index."""
        count = self._count
        ours = [item for item in items if item.ClientHandle < count and item.Value is not None]
        tag = np.array([item.ClientHandle for item in ours], dtype=np.int32)
        data = [item.Value for item in ours]
        size = PUBLISH_BYTES + NOTIFICATION_BYTES * len(ours)
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
        status = np.array([_status(each) for each in data], dtype=np.uint32)
        value = numbers([None if each.Value is None else each.Value.Value for each in data])
        # The two highest bits are the severity; 3 is reserved and treated as bad.
        quality = np.minimum(status >> 30, np.uint32(Quality.BAD)).astype(np.uint8)
        bad = (quality == Quality.BAD) | ~np.isfinite(value)
        value[bad], quality[bad] = np.nan, Quality.BAD
        lost = int(np.count_nonzero((status & _OVERFLOW_MASK) == _OVERFLOW))
        return SampleBatch(tag, at, value, quality, size, lost)


def bad_batch(tag: Indices, at: Nanos) -> SampleBatch:
    """One bad sample of each of these tags."""
    return SampleBatch(
        tag,
        np.full(len(tag), at, dtype=np.int64),
        np.full(len(tag), np.nan),
        np.full(len(tag), Quality.BAD, dtype=np.uint8),
    )


def numbers(raws: Sequence[Any]) -> Floats:
    """float64[n]; booleans are 0 and 1, anything that is not a number is NaN."""
    if _NUMBERS.issuperset(map(type, raws)):
        return np.array(raws, dtype=np.float64)
    return np.array([_number(raw) for raw in raws], dtype=np.float64)


def _number(raw: Any) -> float:
    return float(raw) if isinstance(raw, float | int) else np.nan


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
    return since if _EARLIEST < since < _LATEST else np.nan


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
