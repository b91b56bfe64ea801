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
from enum import IntEnum, StrEnum
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


class Severity(StrEnum):
    """Alarm severities, lowest first; `rank` orders them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class AlarmState(StrEnum):
    """IEC 62682 alarm states (ISA-18.2 figure of the alarm state model)."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed_by_design"
    OUT_OF_SERVICE = "out_of_service"


class Transition(StrEnum):
    """What happened to an alarm; its state alone does not tell."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    UPDATED = "updated"
    """It is still active, and its causes are others than those that were reported."""
    REALARMED = "realarmed"
    """It is still active, and people are told of it again."""
    ESCALATED = "escalated"
    """It is still active, and nobody has acknowledged it for so long that others are told."""
    RETURNED = "returned"
    RESET = "reset"
    """A person released the latch."""
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    TAKEN_OUT_OF_SERVICE = "taken_out_of_service"
    RETURNED_TO_SERVICE = "returned_to_service"
    REMOVED = "removed"
    """It is not in the line file any more, which ends it."""
    COMMENTED = "commented"
    """A person gave a verdict on it, or said something about it; its state is as before."""


class Verdict(StrEnum):
    """What a person found out about an alarm; a label for training and backtests."""

    REAL = "real"
    FALSE = "false"
    UNCLEAR = "unclear"


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
class Alarm:
    """What a detector may raise: an identity with its limits, fixed when the detector is built.

    Active when the score is above `threshold` for `on_delay` ns, back to normal when it is below
    `threshold - hysteresis` for `off_delay` ns. With `below` the other way round: active when the
    score is below `threshold`, normal when it is above `threshold + hysteresis`. `tag` is set where
    the alarm belongs to one; `scope` are the tags it may name as its cause, all of the detector's
    when empty, none when None. With `updates` a change of these tags, or of their reasons in
    `Score.reasons`, is a transition of its own while the alarm is active.
    """

    name: str
    threshold: float
    severity: Severity = Severity.MEDIUM
    tag: str | None = None
    hysteresis: float = 0.0
    on_delay: Nanos = 0
    off_delay: Nanos = 0
    scope: tuple[str, ...] | None = ()
    advice: str = ""
    """What to do about it, for people; added to the message when it is raised."""
    title: str = ""
    """Its name for people, as 'Bearing temperature high'; if empty, made of its tag and kind."""
    phrase: str = ""
    """The message when it is raised, with {alarm}, {value}, {limit}, {since} and {tags}; if empty,
    the usual one: the value and its limit, or the tags that caused it."""
    below: bool = False
    updates: bool = False
    of_last: tuple[int, int] | None = None
    """(N, M): active when N of the last M scores are beyond it, instead of `on_delay`."""
    minimum_duration: Nanos = 0
    """How long it is active at least."""
    realarm_after: Nanos = 0
    """How long after it was announced an active alarm is announced again, ns; 0: never."""
    latch: bool = False
    """Whether it stays, though its condition has returned, until a person resets it."""
    ne107: str = ""
    """Of an alarm about sensors: their class of NAMUR NE 107, as 'failure'."""
    caused_by: tuple[str, ...] = ()
    """The alarms that it follows from if one of them is active, as 'guard.speed.low'."""

    def exceeded_by(self, value: float) -> bool:
        """True if the alarm's condition holds at this score; NaN never does."""
        return value < self.threshold if self.below else value > self.threshold


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
class TopTag:
    """One of the tags that caused an alert, with its share of the score (0 to 1).

    `reason` says why, in words, where there is no value to show. `unit` is that of the values.
    """

    tag: str
    share: float
    actual: float | None = None
    expected: float | None = None
    reason: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One transition of one alarm.

    `transition` is what happened, `state` the alarm's state afterwards. `id` stays the same from
    the activation (`opened_at`) to the return to normal, or to the suppression by design, when its
    machine stops; `at` is the transition's own time, both in event time. `peak` is the highest
    score since the activation, or the lowest of an alarm that is active `below` its threshold.
    """

    id: str
    detector: str
    alarm: str
    state: AlarmState
    severity: Severity
    opened_at: Nanos
    at: Nanos
    value: float
    threshold: float
    peak: float
    tag: str | None = None
    top_tags: tuple[TopTag, ...] = ()
    model: str = ""
    coverage: float = 1.0
    message: str = ""
    transition: Transition = field(kw_only=True)
    is_active: bool = field(kw_only=True)
    """Whether the condition holds after this transition."""
    acknowledged_by: str = ""
    by: str = ""
    """Who did it, if a person did."""
    reason: str = ""
    """Why, in that person's words."""
    verdict: str = ""
    """The newest verdict on it, one of `Verdict`; empty if there is none."""
    caused_by: str = ""
    """The id of the alarm that it follows from; empty if of none that is known."""
    below: bool = False
    began_at: Nanos = 0
    """When its condition began, before the on-delay; 0 if that is not known."""
    advice: str = ""
    """What to do about it, for people."""
    window_start: Nanos = 0
    window_end: Nanos = 0
    """The stretch of data by which it was raised, or by which its causes were found last; both 0 of
    alarms that are not judged by windows."""
    regime: str = ""
    """`Score.regime` of that stretch."""
    ne107: str = ""
    """Of an alarm about sensors: their class of NAMUR NE 107, as 'failure'; empty for others."""
    config: str = ""
    """The version of the line file that was in force: the start of its digest."""
    shelved_until: Nanos = 0
    """When its shelf ends; 0 if it is not shelved, or until its condition has returned."""
    is_hidden: bool = False
    """Whether it stays shelved, suppressed or out of service after this transition."""
    in_flood: bool = False
    """Whether it is part of an alarm flood, which is announced by an alarm of its own."""
    chattering: bool = False
    """Whether it came so often that it is held active until it has been quiet for a minute."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to show to anyone."""
        if self.is_active or self.is_hidden:
            return False
        stopped = self.state is AlarmState.SUPPRESSED and self.transition is Transition.SUPPRESSED
        return stopped or self.state is AlarmState.NORMAL


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
