"""From data values to columns. Pure but for the library's types.

Promises
- Good and Uncertain numbers within the tag's limits are values; everything else is NaN and BAD.
- The time is the one that was asked for, and the next best where the server does not send it:
  source, server, receipt.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from gateway.model import Nanos, Quality, SampleBatch, Tag

VALUE_BYTES = 32
"""A notification on the wire: handle 4, masks 2, a double 8, status 0-4, two times 16."""
MESSAGE_BYTES = 80
"""Headers of one publish response, estimated: the library does not tell."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVERFLOW = 0x480
"""InfoType DataValue with the overflow bit (OPC UA Part 4, 7.39.1)."""

Timestamp = Literal["source", "server", "receive"]


class Columns:
    """Collects samples of `tags` until `take`."""

    def __init__(self, tags: Sequence[Tag], timestamp: Timestamp) -> None:
        self._low = [-math.inf if tag.low is None else tag.low for tag in tags]
        self._high = [math.inf if tag.high is None else tag.high for tag in tags]
        self._timestamp = timestamp
        self._clear()

    def _clear(self) -> None:
        self._tag: list[int] = []
        self._at: list[Nanos] = []
        self._value: list[float] = []
        self._quality: list[int] = []
        self._wire_bytes = 0
        self._lost = 0

    def __len__(self) -> int:
        return len(self._tag)

    def add(self, tag: int, data: Any, now: Nanos) -> None:
        """One `ua.DataValue` of a tag, received at `now`."""
        status = data.StatusCode.value if data.StatusCode is not None else 0
        if status & _OVERFLOW == _OVERFLOW:
            self._lost += 1
        value = _number(data)
        quality = Quality(min(status >> 30, 2))
        if quality is Quality.BAD or not self._low[tag] <= value <= self._high[tag]:
            value, quality = math.nan, Quality.BAD
        self._put(tag, self._time(data, now), value, quality)
        self._wire_bytes += VALUE_BYTES

    def add_bad(self, tag: int, now: Nanos) -> None:
        """A tag that could not be read."""
        self._put(tag, now, math.nan, Quality.BAD)

    def add_message(self) -> None:
        """One more message came."""
        self._wire_bytes += MESSAGE_BYTES

    def _put(self, tag: int, at: Nanos, value: float, quality: Quality) -> None:
        self._tag.append(tag)
        self._at.append(at)
        self._value.append(value)
        self._quality.append(quality)

    def _time(self, data: Any, now: Nanos) -> Nanos:
        if self._timestamp == "receive":
            return now
        times = (data.SourceTimestamp, data.ServerTimestamp)
        first, second = times if self._timestamp == "source" else reversed(times)
        moment = first or second
        return nanos(moment) if moment is not None else now

    def take(self) -> SampleBatch:
        """What was collected, and start over."""
        batch = SampleBatch(
            np.array(self._tag, dtype=np.int32),
            np.array(self._at, dtype=np.int64),
            np.array(self._value, dtype=np.float64),
            np.array(self._quality, dtype=np.uint8),
            self._wire_bytes,
            self._lost,
        )
        self._clear()
        return batch


def _number(data: Any) -> float:
    """The value as a number; NaN for text, arrays and nothing."""
    value = data.Value.Value if data.Value is not None else None
    return float(value) if isinstance(value, int | float) else math.nan


def nanos(moment: datetime) -> Nanos:
    """A time of the library (UTC) in ns since 1970."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
