"""The model: what flows through a line, from a sensor's sample to a stored point.

Promises
- Everything here is frozen. Arrays are shared, never written to after they are handed over.
- Time is UTC nanoseconds since 1970 as `int` (arrays: int64). Durations are nanoseconds too.
- Values are float64 up to the model's own standardisation: a level of 1e6 with a spread of 1e-3
  does not survive float32.
- A bad sample carries its quality, never a made-up value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Nanos = int
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Times = NDArray[np.int64]
Indices = NDArray[np.int32]
Qualities = NDArray[np.uint8]

SECOND: Nanos = 1_000_000_000


class Quality(IntEnum):
    """OPC UA's three classes; Modbus and MQTT map onto them."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Tag:
    """One measured value of the line; its address is the connector's business.

    `period` is the expected time between two samples in ns: freshness, holding and coverage are
    judged by it. `low` and `high` bound what is physically possible, in `unit`. `names` says what
    the numbers of an enumeration stand for, and `texts` which number each of its texts means.
    `no_value` are numbers, in `unit`, by which the device says that it has no value. `frozen_after`
    is how long the value may stay exactly the same, ns; 0: for ever.
    """

    name: str
    source: str
    period: Nanos
    unit: str = ""
    low: float | None = None
    high: float | None = None
    description: str = ""
    names: Mapping[float, str] = field(default_factory=dict, hash=False)
    texts: Mapping[str, float] = field(default_factory=dict, hash=False)
    no_value: tuple[float, ...] = ()
    frozen_after: Nanos = 0

    def name_of(self, value: float | None) -> str:
        """The name of this number; empty if it has none."""
        return "" if value is None else self.names.get(value, "")


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """What one poll or one publish response brought, as columns of equal length n.

    tag: int32[n], index of the tag among the tags of the connector that yields the batch (the
    line renumbers it); at: int64[n] ns, the source's time where the protocol has it; value:
    float64[n], NaN where quality is BAD; quality: uint8[n], see `Quality`. `wire_bytes` is what
    the protocol carried for it, as far as the library can tell; `lost` counts samples the source
    itself says it dropped (OPC UA overflow); `unmatched` counts messages, and elements in them,
    that no tag is read from.
    `reasons` says for people why the newest sample of a tag is not good, by the tag's index: what
    the device answered, or what came instead of a number ("exception 2, illegal data address").
    """

    tag: Indices
    at: Times
    value: Floats
    quality: Qualities
    wire_bytes: int = 0
    lost: int = 0
    unmatched: int = 0
    reasons: Mapping[int, str] = field(default_factory=dict)
    outside: Mapping[int, str] = field(default_factory=dict)
    """Which bound the newest sample of a tag is beyond, by the tag's index: "above high, 120". In
    `reasons` is the value too, which changes all the time."""

    def __len__(self) -> int:
        return len(self.tag)

    def rows(self, which: NDArray[Any] | slice) -> "SampleBatch":
        """Some of the samples, by index, mask or slice; what the protocol carried is left out."""
        columns = (self.tag[which], self.at[which], self.value[which], self.quality[which])
        return SampleBatch(*columns, reasons=self.reasons, outside=self.outside)

    @staticmethod
    def joined(batches: Sequence["SampleBatch"]) -> "SampleBatch":
        """All samples of these, at least one batch, in their order."""
        outside: dict[int, str] = {}
        for batch in batches:
            # Only the newest sample of a tag counts.
            for tag in outside.keys() & set(batch.tag.tolist()) if outside else ():
                del outside[tag]
            outside |= batch.outside
        return SampleBatch(
            np.concatenate([batch.tag for batch in batches]),
            np.concatenate([batch.at for batch in batches]),
            np.concatenate([batch.value for batch in batches]),
            np.concatenate([batch.quality for batch in batches]),
            reasons={tag: why for batch in batches for tag, why in batch.reasons.items()},
            outside=outside,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """An aligned stretch of one detector's tags: `values[time, tag]`, oldest row first.

    `start` is the time of the first row's cell end, rows are `period` ns apart. A cell holds the
    mean of its good samples, or the last good value while that is younger than the hold limit;
    `observed` is False elsewhere and the value there is NaN.
    """

    start: Nanos
    period: Nanos
    values: Floats
    observed: Bools

    @property
    def end(self) -> Nanos:
        """The time of the last row."""
        return self.start + (len(self.values) - 1) * self.period

    @property
    def coverage(self) -> float:
        """Observed cells over all cells, 0 to 1."""
        return float(self.observed.mean()) if self.observed.size else 0.0

    @property
    def coverage_per_tag(self) -> Floats:
        """float64[tag], 0 to 1."""
        return np.asarray(self.observed.mean(axis=0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """What a detector wants to see: which tags, on what grid, how long, how often.

    `period` is the grid in ns, `length` the rows of a window, `hop` the rows between the ends of
    two windows. Windows end on multiples of `hop * period` since 1970, whenever the daemon starts.
    """

    tags: tuple[str, ...]
    period: Nanos
    length: int
    hop: int = 1


@dataclass(frozen=True, slots=True)
class Score:
    """How strange one window is; higher is stranger.

    values: float64[alarm], one for each alarm of the detector in its order, NaN = cannot judge;
    contribution: float64[tag], sums to the model's score; expected and actual: float64[tag], in
    engineering units, for the window's last row, where the detector can say so. `blind` names why
    the window could not be judged, `idle` why there was nothing to judge (the machine does not
    run); both are empty when it was judged. `reasons` says for people why a tag contributes, by the
    tag's index among the detector's; without numbers that change all the time.
    """

    at: Nanos
    values: Floats
    coverage: float
    model: str = ""
    contribution: Floats | None = None
    expected: Floats | None = None
    actual: Floats | None = None
    blind: str = ""
    idle: str = ""
    reasons: Mapping[int, str] = field(default_factory=dict)
    contribution_of: Mapping[int, Floats] = field(default_factory=dict)
    """In place of `contribution` for some alarms, by their number."""
    start: Nanos = 0
    """Where the stretch begins that was judged; it ends at `at`. 0: with the whole window."""
    regime: str = ""
    """Which way of running the detector took it for, in words, if it tells several apart."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How a model's inputs and scores were spread when it was made.

    One row for each tag of the detector, then one for its score: the `edges` of the bins,
    ascending, and the `shares` of the data in them, one more than edges. No rows if it
    was not recorded. `span` is the time that the data covered, ns.
    """

    edges: Sequence[Sequence[float]] = ()
    shares: Sequence[Sequence[float]] = ()
    span: Nanos = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """One interval [start, end) of one tag. Silence is a summary with coverage 0 and no values.

    `count` good samples gave mean, std (population), min, max and last; `bad` samples gave none.
    `last_name` is the name of `last` if the tag is an enumeration.
    """

    tag: str
    start: Nanos
    end: Nanos
    count: int
    bad: int
    coverage: float
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    last: float | None = None
    last_name: str = ""


class Kind(IntEnum):
    """The classes of stored points; a lower number leaves first."""

    ALERT = 0
    SUMMARY = 1
    GATEWAY = 2
    CLIP = 3


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the buffer stores and a sink writes: one finished line of line protocol.

    Encoded once, so a resend is the same bytes and overwrites itself. `key` is the sequence
    number in its class once stored, 0 before.
    """

    kind: Kind
    at: Nanos
    body: bytes
    version: int = 1
    key: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """`count` points of a class, with times from `since` to `until`, were given up for a reason.

    evicted: no room in the buffer; expired: older than max_age; corrupt: a row's CRC was wrong;
    damaged: not salvaged from a damaged file; lost_tail: vanished from the end of the log;
    rejected: the sink will never take it; no_sink: no sink accepts the class any more; no_room:
    the disk was full and so was the memory; per_hour: the hour's clips were full; no_history: the
    samples of a clip were not there any more.
    """

    kind: Kind
    reason: str
    count: int
    since: Nanos = 0
    until: Nanos = 0

    def facts(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self) | {"kind": self.kind.name.lower()}


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement's point, as `gateway.core.points` encodes it."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, float | int | bool | str]
    at: Nanos


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of trying one part of a line (`andon check --connect`)."""

    ok: bool
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
