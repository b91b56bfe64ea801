"""What a detector may raise, and what becomes of it: alarms, their states and transitions.

Promises
- Everything here is frozen, and its times are UTC nanoseconds, as in `gateway.api.model`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.api.model import Nanos


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
    """It is still active, and is announced again."""
    ESCALATED = "escalated"
    """It is still active and not acknowledged for so long that it is announced to others."""
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
