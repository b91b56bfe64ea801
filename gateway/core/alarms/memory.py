"""What is kept of one alarm that is not normal, and the state that follows from it. Pure.

Promises
- The state is computed from independent facts, as OPC UA Part 9 keeps them (ActiveState,
  AckedState, LatchedState, ShelvingState, SuppressedState, OutOfServiceState); one name is shown
  for all of them, in the order of IEC 62682: out of service, suppressed by design, shelved, and
  then whether the condition holds.
- As JSON it survives a restart; equal states give equal bytes.
"""

from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from typing import Any

from gateway.api.alarms import AlarmState, TopTag
from gateway.api.model import Nanos

FOREVER: Nanos = 2**62
"""The end of a shelf that has none: the one-shot shelf, which ends with the condition."""
HIDDEN = frozenset((AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE))
"""States in which an alarm is not announced."""


@dataclass(slots=True)
class Memory:
    """The state of an alarm that is not normal, or whose delay runs."""

    since: Nanos = 0
    """Start of the pending on-delay or off-delay; 0 while none runs."""
    recent: int = 0
    """Which of the newest scores were beyond the threshold, the newest in the lowest bit."""
    counted: tuple[Nanos, ...] = ()
    """The times of those that were beyond, the newest last."""
    active: bool = False
    """Whether the condition holds, its delays included."""
    is_open: bool = False
    """Whether there is an occurrence to show: it is active, or returned and not acknowledged."""
    began_at: Nanos = 0
    """When the condition began, before the on-delay."""
    opened_at: Nanos = 0
    active_since: Nanos = 0
    """Its activation; or the step of the clock since then, before which no time is known."""
    epoch: int = 0
    latched: bool = False
    acknowledged_by: str = ""
    reminded_at: Nanos = 0
    """When people were last told that it is active: its activation, or the last re-alarm."""
    escalated: int = 0
    """How many of the escalations were announced."""
    shelved_until: Nanos = 0
    """0 if it is not shelved, FOREVER for one shot."""
    hidden_by: str = ""
    hidden_why: str = ""
    """Who shelved it or took it out of service last, and why."""
    suppressed: str = ""
    """Why it is suppressed by design; empty if it is not."""
    out_of_service: str = ""
    """Why it is out of service; empty if it is in service."""
    verdict: str = ""
    """What a person found out about this occurrence."""
    activations: tuple[Nanos, ...] = ()
    """The newest activations, as far as they may become chattering."""
    chattering: bool = False
    """Whether it is held active until its condition has been quiet for a while."""
    peak: float = 0.0
    """The farthest score; negated where the alarm is active below its threshold."""
    top: tuple[TopTag, ...] = ()
    model: str = ""
    coverage: float = 1.0
    """The model and the coverage of the window that raised it."""
    window_start: Nanos = 0
    window_end: Nanos = 0
    regime: str = ""
    """The stretch of data that raised it, or that gave its newest causes."""
    causes: dict[str, str] = field(default_factory=dict)
    """The tags that were reported last, with their reasons; of an alarm with `updates`."""
    updated_at: Nanos = 0
    changed_at: Nanos = 0
    """Since when the causes are others than those; 0 while they are the same."""

    @property
    def state(self) -> AlarmState:
        if self.out_of_service:
            return AlarmState.OUT_OF_SERVICE
        if self.suppressed:
            return AlarmState.SUPPRESSED
        if self.shelved_until:
            return AlarmState.SHELVED
        return self._annunciated

    @property
    def _annunciated(self) -> AlarmState:
        acknowledged = bool(self.acknowledged_by)
        if self.active:
            return AlarmState.ACKNOWLEDGED if acknowledged else AlarmState.UNACKNOWLEDGED
        if self.latched:
            latched = AlarmState.LATCHED_ACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED
            return latched[0] if acknowledged else latched[1]
        if self.is_open and not acknowledged:
            return AlarmState.RETURNED_UNACKNOWLEDGED
        return AlarmState.NORMAL

    @property
    def is_hidden(self) -> bool:
        """Whether it is not announced: it is shelved, suppressed or out of service."""
        return bool(self.shelved_until or self.suppressed or self.out_of_service)

    @property
    def is_forgettable(self) -> bool:
        """Whether nothing is left to remember."""
        pending = self.since or self.recent or self.activations
        return not (pending or self.is_hidden) and self.state is AlarmState.NORMAL

    def close(self) -> None:
        """The occurrence is over: nothing of it is left to show."""
        self.active = self.is_open = self.latched = False
        self.acknowledged_by = self.verdict = ""

    def facts(self) -> dict[str, Any]:
        """As JSON can hold it."""
        # Not asdict, which would copy the causes of thousands of tags.
        facts = dict(zip(_NAMES, self.values(), strict=True))
        return {**facts, "top": [_stored(tag) for tag in self.top]}

    def values(self) -> tuple[Any, ...]:
        """All of it, to be compared; nothing in it is changed in place."""
        values: tuple[Any, ...] = _VALUES(self)
        return values


def alarm_id(name: str, kept: Memory) -> str:
    """The id of the alarm of this name, as 'guard.flow.low'; the name while it is not open."""
    return occurrence_id(name, kept.opened_at, kept.epoch) if kept.is_open else name


def occurrence_id(name: str, opened_at: Nanos, epoch: int) -> str:
    """The id of what was opened then."""
    return f"{name}-{opened_at // 1_000_000:x}{f'.{epoch}' if epoch else ''}"


_NAMES = tuple(each.name for each in fields(Memory))
_VALUES = attrgetter(*_NAMES)


def _stored(tag: TopTag) -> dict[str, Any]:
    # The unit is known from the line file, and an older version could not read it.
    return {name: value for name, value in asdict(tag).items() if name != "unit"}


def remembered(facts: dict[str, Any]) -> Memory:
    """The memory of a checkpoint, also of an older one."""
    # A checkpoint of another version may lack what came since, and hold what is no longer kept.
    facts = {
        "epoch": facts.get("turn", 0),
        "is_open": facts.get("active", False),
        "active_since": facts.get("opened_at", 0),
        **facts,
    }
    known = {each.name: facts[each.name] for each in fields(Memory) if each.name in facts}
    top = tuple(TopTag(**tag) for tag in facts["top"])
    times = {name: tuple(facts.get(name, ())) for name in ("activations", "counted")}
    return Memory(**{**known, "top": top, **times})
