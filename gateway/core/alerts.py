"""The alarm state machine: scores in, transitions out. Pure; the time comes with each score.

Promises
- An alarm is raised when its score was above the threshold for the whole on-delay, and returns to
  normal when it was below threshold - hysteresis for the whole off-delay. One transition each.
- A score that cannot be judged (NaN) neither raises nor clears: an active alarm stays, a pending
  one starts over.
- Where there is nothing to judge (`idle`) for the whole off-delay, an active alarm is suppressed by
  design, which ends it: what is still wrong when the machine runs again is a new alarm.
- An active alarm is acknowledged once, by a person, and stays active until it returns.
- An active alarm with `updates` reports a change of its causes: a further tag or another reason
  once it has held for the on-delay, a tag that recovered after a minute, and nothing more often
  than every ten seconds. A further tag needs a new acknowledgement, as in an ISA-18.2 group alarm.
- The state survives a restart through `checkpoint` and `restore`, so a restart raises nothing
  twice and clears nothing unseen.
- An alarm keeps its id from the activation to its return.

States are IEC 62682's. An alarm that returns goes to normal, acknowledged or not.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.api.contracts import CommandRefused
from gateway.api.model import (
    SECOND,
    Alarm,
    AlarmState,
    Alert,
    Floats,
    Nanos,
    Score,
    TopTag,
    Transition,
)
from gateway.core.alert_messages import message_of

TOP = 5
"""The most tags that an alert names."""
ACT: Nanos = 50_000
"""What a person's act is later than the newest window that the alarm was judged by.

So it is after that window's transitions and before those of the next window, and no two points have
one time: the place of an alarm in its detector is below, an epoch of the clock above."""
UPDATE_EVERY = 10 * SECOND
"""An active alarm reports a change of its causes no more often than this."""
RECOVERED = 60 * SECOND
"""How long some of the causes must have been gone before that alone is reported."""


@dataclass(slots=True)
class _Memory:
    """The state of an alarm that is not normal."""

    since: Nanos
    """Start of the pending on-delay or off-delay; 0 while none runs."""
    active: bool = False
    opened_at: Nanos = 0
    peak: float = 0.0
    """The farthest score; negated where the alarm is active below its threshold."""
    top: tuple[TopTag, ...] = ()
    epoch: int = 0
    acknowledged_by: str = ""
    model: str = ""
    coverage: float = 1.0
    """The model and the coverage of the window that raised it."""
    causes: dict[str, str] = field(default_factory=dict)
    """The tags that were reported last, with their reasons; of an alarm with `updates`."""
    updated_at: Nanos = 0
    changed_at: Nanos = 0
    """Since when the causes are others than those; 0 while they are the same."""


class AlertMachine:
    """All alarms of one detector. `tags` are the detector's, in the order of contributions.

    `epoch` keeps ids apart when a clock that went back brings the same time twice. No window that
    is still to come ends before `since`.
    """

    def __init__(
        self, detector: str, alarms: Sequence[Alarm], tags: Sequence[str], since: Nanos = 0
    ) -> None:
        self.detector = detector
        self.alarms = tuple(alarms)
        self.tags = tuple(tags)
        self.epoch = 0
        # Where an alarm is active below its threshold everything is compared with its sign changed.
        self._sign = np.array([-1.0 if alarm.below else 1.0 for alarm in alarms])
        self._raise_above = self._sign * np.array([alarm.threshold for alarm in alarms])
        self._clear_below = self._raise_above - np.array([alarm.hysteresis for alarm in alarms])
        self._memory: dict[int, _Memory] = {}
        self._scopes = _scopes(alarms, self.tags)
        self._newest = since

    @property
    def active(self) -> list[Alarm]:
        """The alarms that are active now."""
        return [self.alarms[number] for number, kept in self._memory.items() if kept.active]

    def standing(self) -> list[Alert]:
        """The active alarms as their activation left them, with their peaks; for a restart."""
        return [
            self._alert(number, kept, Transition.RAISED, kept.opened_at)
            for number, kept in self._memory.items()
            if kept.active
        ]

    def restart_delays(self, since: Nanos) -> None:
        """Restart the pending delays: the clock was stepped, so how long they ran is unknown.

        No window that is still to come ends before `since`.
        """
        self._newest = since
        for kept in self._memory.values():
            kept.since = kept.updated_at = kept.changed_at = 0

    def step(self, score: Score) -> list[Alert]:
        """The transitions that this score brings, in the order of the alarms."""
        self._newest = score.at
        above = score.values * self._sign > self._raise_above
        if not self._memory and not above.any():
            return []
        wanted = sorted({*np.flatnonzero(above).tolist(), *self._memory})
        transitions = (self._judge(number, bool(above[number]), score) for number in wanted)
        return [alert for alert in transitions if alert is not None]

    def _judge(self, number: int, above: bool, score: Score) -> Alert | None:
        alarm, kept = self.alarms[number], self._memory.get(number)
        value = float(score.values[number] * self._sign[number])
        if kept is None:
            kept = self._memory[number] = _Memory(since=score.at)
        if kept.active:
            return self._judge_active(number, kept, value, score)
        if not above:
            del self._memory[number]
            return None
        self._note_peak(alarm, kept, value, score)
        kept.since = min(kept.since or score.at, score.at)
        if score.at - kept.since < alarm.on_delay:
            return None
        kept.active, kept.opened_at, kept.since, kept.epoch = True, score.at, 0, self.epoch
        kept.model, kept.coverage = score.model, score.coverage
        if alarm.updates:
            kept.causes, kept.updated_at = self._causes(number, score), score.at
            kept.top = top_tags(alarm, score, self.tags)
        return self._alert(number, kept, Transition.RAISED, score.at, value, score)

    def _judge_active(self, number: int, kept: _Memory, value: float, score: Score) -> Alert | None:
        alarm = self.alarms[number]
        if not (score.idle or value < self._clear_below[number]):
            kept.since = 0
            if value > kept.peak:
                self._note_peak(alarm, kept, value, score)
            if alarm.updates and value > self._raise_above[number]:
                return self._update(number, kept, value, score)
            return None
        kept.since = min(kept.since or score.at, score.at)
        if score.at - kept.since < alarm.off_delay:
            return None
        del self._memory[number]
        if score.idle:
            # Nothing is judged; what is sent must not look as if it were beyond the threshold.
            value = float(self._raise_above[number])
            return self._alert(number, kept, Transition.SUPPRESSED, score.at, value, score)
        return self._alert(number, kept, Transition.RETURNED, score.at, value, score)

    def _update(self, number: int, kept: _Memory, value: float, score: Score) -> Alert | None:
        """A transition if the causes of an active alarm are others than those it reported."""
        alarm = self.alarms[number]
        causes = self._causes(number, score)
        if causes == kept.causes:
            kept.changed_at = 0
            return None
        kept.changed_at = min(kept.changed_at or score.at, score.at)
        is_worse = any(kept.causes.get(tag) != why for tag, why in causes.items())
        held = alarm.on_delay if is_worse else RECOVERED
        if score.at - kept.changed_at < held or score.at - kept.updated_at < UPDATE_EVERY:
            return None
        if causes.keys() - kept.causes.keys():
            kept.acknowledged_by = ""
        kept.causes, kept.updated_at, kept.changed_at = causes, score.at, 0
        kept.top = top_tags(alarm, score, self.tags)
        return self._alert(number, kept, Transition.UPDATED, score.at, value, score)

    def _causes(self, number: int, score: Score) -> dict[str, str]:
        """All tags that contribute to the score of an alarm, with their reasons."""
        scope = self._scopes.get(number)
        if score.contribution is None or scope is None:
            return {}
        found = scope[score.contribution[scope] > 0].tolist()
        return {self.tags[tag]: score.reasons.get(tag, "") for tag in found}

    def acknowledge(self, alarm_id: str, by: str) -> Alert | None:
        """Note that a person has seen this alarm; None if none of these is active with that id.

        CommandRefused if it is already acknowledged.
        """
        for number, kept in self._memory.items():
            alarm = self.alarms[number]
            if kept.active and self._id(alarm, kept) == alarm_id:
                if kept.acknowledged_by:
                    by = kept.acknowledged_by
                    raise CommandRefused(f"{alarm_id} is already acknowledged by {by}")
                kept.acknowledged_by = by
                return self._alert(number, kept, Transition.ACKNOWLEDGED, self._newest + ACT)
        return None

    def _note_peak(self, alarm: Alarm, kept: _Memory, value: float, score: Score) -> None:
        if not kept.top or value >= kept.peak:
            kept.peak, kept.top = value, top_tags(alarm, score, self.tags)

    def _alert(
        self,
        number: int,
        kept: _Memory,
        transition: Transition,
        at: Nanos,
        value: float | None = None,
        score: Score | None = None,
    ) -> Alert:
        alarm, sign = self.alarms[number], float(self._sign[number])
        # + 0.0 makes a zero of a negative one.
        peak = sign * kept.peak + 0.0
        value = peak if value is None else sign * value + 0.0
        after = (at - kept.opened_at) / SECOND
        return Alert(
            id=self._id(alarm, kept),
            detector=self.detector,
            alarm=alarm.name,
            state=_state(kept, transition),
            severity=alarm.severity,
            opened_at=kept.opened_at,
            at=at,
            value=value,
            threshold=alarm.threshold,
            peak=peak,
            tag=alarm.tag,
            top_tags=kept.top,
            model=score.model if score else kept.model,
            coverage=score.coverage if score else kept.coverage,
            message=message_of(
                alarm,
                transition,
                value=float(len(kept.causes)) if kept.causes else value,
                top=kept.top,
                after=after,
                why=(score.idle if score else "") or kept.acknowledged_by,
            ),
            transition=transition,
            acknowledged_by=kept.acknowledged_by,
            below=alarm.below,
        )

    def _id(self, alarm: Alarm, kept: _Memory) -> str:
        return f"{self.detector}.{alarm.name}-{kept.opened_at // 1_000_000:x}{_epoch(kept.epoch)}"

    def checkpoint(self) -> bytes:
        """The state as JSON; equal states give equal bytes."""
        kept = {self.alarms[n].name: _facts(self._memory[n]) for n in sorted(self._memory)}
        return json.dumps(kept).encode()

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint; alarms that no longer exist are left behind."""
        number = {alarm.name: index for index, alarm in enumerate(self.alarms)}
        self._memory = {
            number[name]: _remembered(facts)
            for name, facts in json.loads(state).items()
            if name in number
        }


def _facts(kept: _Memory) -> dict[str, Any]:
    # Not asdict, which would copy the causes of thousands of tags in every tick.
    facts = {each.name: getattr(kept, each.name) for each in fields(kept)}
    return {**facts, "top": [asdict(tag) for tag in kept.top]}


def _remembered(facts: dict[str, Any]) -> _Memory:
    # A checkpoint of another version may lack what came since, and hold what is no longer kept.
    facts = {"epoch": facts.get("turn", 0), **facts}  # its name in the first checkpoints
    known = {field.name: facts[field.name] for field in fields(_Memory) if field.name in facts}
    return _Memory(**{**known, "top": tuple(TopTag(**tag) for tag in facts["top"])})


def _scopes(alarms: Sequence[Alarm], tags: Sequence[str]) -> dict[int, NDArray[np.int64]]:
    """The tags of the alarms with `updates`, by the alarm's place, as indices."""
    index = {tag: number for number, tag in enumerate(tags)}
    return {
        place: np.array([index[tag] for tag in alarm.scope or tags], dtype=np.int64)
        for place, alarm in enumerate(alarms)
        if alarm.updates and alarm.scope is not None
    }


def top_tags(alarm: Alarm, score: Score, tags: Sequence[str]) -> tuple[TopTag, ...]:
    """The tags that caused the alarm, the strongest first, with their shares of the score."""
    index = {tag: number for number, tag in enumerate(tags)}
    if alarm.tag is not None:
        return (_top(alarm.tag, 1.0, index.get(alarm.tag), score),)
    if score.contribution is None or alarm.scope is None:
        return ()
    scope = [index[tag] for tag in alarm.scope] if alarm.scope else list(index.values())
    weight = np.nan_to_num(score.contribution[scope])
    total = weight.sum()
    if total <= 0:
        return ()
    order = [n for n in np.argsort(-weight, kind="stable")[:TOP] if weight[n] > 0]
    return tuple(
        _top(tags[scope[n]], round(float(weight[n] / total), 3), scope[n], score) for n in order
    )


def _top(tag: str, share: float, number: int | None, score: Score) -> TopTag:
    def pick(values: Floats | None) -> float | None:
        if values is None or number is None or not np.isfinite(values[number]):
            return None
        return float(values[number])

    reason = "" if number is None else score.reasons.get(number, "")
    return TopTag(tag, share, pick(score.actual), pick(score.expected), reason)


def _epoch(number: int) -> str:
    return f".{number}" if number else ""


def _state(kept: _Memory, transition: Transition) -> AlarmState:
    if transition is Transition.RETURNED:
        return AlarmState.NORMAL
    if transition is Transition.SUPPRESSED:
        return AlarmState.SUPPRESSED
    return AlarmState.ACKNOWLEDGED if kept.acknowledged_by else AlarmState.UNACKNOWLEDGED
