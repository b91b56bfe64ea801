"""The alarm state machine of one detector: scores and acts in, transitions out. Pure.

Promises
- An alarm is raised when its condition has come, and returns when it has gone (condition.py). One
  transition each, and at most one transition of an alarm for a score.
- An alarm that returned stays open until a person acknowledges it; a latched one until it is reset
  (acts.py). An alarm keeps its id from the activation until the next.
- While it is shelved, suppressed or out of service its condition is followed and recorded, and
  it is not announced; a shelf ends by itself.
- Where there is nothing to judge (`idle`) for the whole off-delay, an active alarm is suppressed by
  design, which ends it: what is still wrong when the machine runs again is a new alarm.
- An active alarm with `updates` reports a change of its causes: a further tag or another reason
  once it has held for the on-delay, a tag that recovered after a minute, and nothing more often
  than every ten seconds. A further tag needs a new acknowledgement, as in an ISA-18.2 group alarm.
- A chattering alarm is recognised at its third activation within a minute and then held until it
  has been quiet for a minute; its alerts have the mark `chattering`.
- A score before `unsure_until` neither raises nor clears: its window has a gap that is none of the
  plant's, as after a restart.
- The state survives a restart through `checkpoint` and `restore`, so a restart raises nothing
  twice and clears nothing unseen.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gateway.api.alarms import Alarm, AlarmState, Alert, Transition
from gateway.api.contracts import CommandRefused
from gateway.api.model import SECOND, Nanos, Score
from gateway.core.alarms import causes, condition
from gateway.core.alarms.acts import Act, annunciate
from gateway.core.alarms.memory import FOREVER, Memory, occurrence_id, remembered
from gateway.core.alarms.words import Occasion, Words

ACT: Nanos = 50_000
"""What a person's act is later than the newest window that the alarm was judged by.

So it is after that window's transitions and before the next window's, and no two points have
one time: the place of an alarm in its detector is below, an epoch of the clock above."""
NEXT_ACT: Nanos = 1_000
"""What a second act on the same alarm is later than the first, before the next window."""
UPDATE_EVERY = 10 * SECOND
"""An active alarm reports a change of its causes no more often than this."""
_HIDING = (Transition.SHELVED, Transition.TAKEN_OUT_OF_SERVICE)
RECOVERED = 60 * SECOND
"""How long some of the causes must have been gone before that alone is reported."""


class AlarmMachine:
    """All alarms of one detector. `tags` are the detector's, in the order of contributions.

    `epoch` keeps ids apart when a clock that went back brings the same time twice. No window that
    is still to come ends before `since`. `suppression` says why all of them are suppressed by
    design, empty if they are not. `escalations`: how long after its activation, ns, an alarm that
    is not acknowledged is announced to others. `config` is the version of the line file.
    """

    def __init__(
        self,
        detector: str,
        alarms: Sequence[Alarm],
        tags: Sequence[str],
        since: Nanos = 0,
        words: Words | None = None,
    ) -> None:
        self.detector = detector
        self._words = words or Words()
        self.alarms = tuple(alarms)
        self.tags = tuple(tags)
        self.epoch = 0
        self.suppression = ""
        self.unsure_until: Nanos = 0
        self.escalations: Sequence[Nanos] = ()
        self.config = ""
        # Where an alarm is active below its threshold everything is compared with its sign changed.
        self._sign = np.array([-1.0 if alarm.below else 1.0 for alarm in alarms])
        self._raise_above = self._sign * np.array([alarm.threshold for alarm in alarms])
        self._clear_below = self._raise_above - np.array([alarm.hysteresis for alarm in alarms])
        self._memory: dict[int, Memory] = {}
        self._scopes = causes.scopes(alarms, self.tags)
        self._newest = since
        self._acted: dict[int, Nanos] = {}
        self._stored: dict[int, tuple[tuple[Any, ...], str]] = {}
        """What was kept of each alarm at the last checkpoint, and its JSON."""

    @property
    def active(self) -> list[Alarm]:
        """The alarms that are active now."""
        return [self.alarms[number] for number, kept in self._memory.items() if kept.active]

    def standing(self) -> list[Alert]:
        """All alarms that are not normal, as they were raised, with their peaks; for a restart."""
        return [
            self._alert(
                number,
                kept,
                Transition.RAISED,
                kept.opened_at,
                by=kept.hidden_by if kept.is_hidden else "",
                why=kept.hidden_why if kept.is_hidden else "",
            )
            for number, kept in self._memory.items()
            if kept.state is not AlarmState.NORMAL
        ]

    def restart_delays(self, since: Nanos, step: Nanos = 0) -> None:
        """Restart the pending delays: the clock was stepped, so how long they ran is unknown.

        No window that is still to come ends before `since`. A shelf lasts as long as was asked for.
        """
        self._newest = since
        self.unsure_until = 0
        self._acted.clear()
        for kept in self._memory.values():
            kept.since = kept.recent = kept.updated_at = kept.changed_at = 0
            kept.activations = ()
            if kept.shelved_until not in (0, FOREVER):
                kept.shelved_until += step
            # Also where it went back: a time of the future would hold everything up until then.
            kept.reminded_at = kept.active_since = since

    def step(self, score: Score) -> list[Alert]:
        """The transitions that this score brings, in the order of the alarms."""
        self._newest = score.at
        if score.at < self.unsure_until:
            score = replace(score, values=np.full(len(self.alarms), np.nan))
        above = score.values * self._sign > self._raise_above
        if not self._memory and not above.any():
            return []
        wanted = sorted({*np.flatnonzero(above).tolist(), *self._memory})
        transitions = [self._judge(number, bool(above[number]), score) for number in wanted]
        return [alert for alert in transitions if alert is not None]

    def act(self, alarm_id: str, act: Act, by: str = "", why: str = "") -> Alert | None:
        """Do what a person asks of an alarm, by its id or by 'detector.alarm'; None if none has it.

        CommandRefused if that is not possible now.
        """
        number = self._number_of(alarm_id)
        if number is None:
            return None
        kept = self._memory.get(number) or Memory(opened_at=self._newest, epoch=self.epoch)
        same = self._id(number, kept)
        try:
            at = self._time_of_act(number)
            transition = act(kept, at)
        except CommandRefused as refused:
            raise CommandRefused(f"{alarm_id}: {refused}") from refused
        if transition in _HIDING:
            kept.hidden_by, kept.hidden_why = by, why
        self._memory[number], self._acted[number] = kept, at
        alert = self._alert(number, kept, transition, at, alarm_id=same, by=by, why=why)
        self._forget(number, kept)
        return alert

    def comment_on(self, past: Alert, verdict: str, by: str, why: str) -> Alert:
        """What a person says of an alarm that is over, as a transition of its own.

        CommandRefused if the detector has no alarm of that name any more.
        """
        names = [alarm.name for alarm in self.alarms]
        if past.alarm not in names:
            raise CommandRefused(f"{past.id}: {self.detector} has no alarm {past.alarm} now")
        number = names.index(past.alarm)
        at = self._time_of_comment(number, past)
        verdict = verdict or past.verdict
        occasion = Occasion(past.peak, by=by, why=why, verdict=verdict)
        transition = Transition.COMMENTED
        return replace(
            past,
            at=at,
            state=AlarmState.NORMAL,
            is_active=False,
            is_hidden=False,
            shelved_until=0,
            transition=transition,
            by=by,
            reason=why,
            verdict=verdict,
            message=self._words.say(self.alarms[number], transition, occasion),
        )

    def _time_of_comment(self, number: int, past: Alert) -> Nanos:
        """When an alarm that is over was commented on.

        If it came again, or is hidden now, that is just after its end: the newest point of an alarm
        is what it is now.
        """
        kept = self._memory.get(number)
        if kept is not None and kept.state is not AlarmState.NORMAL:
            at = _just_after(past.at)
            if at < (kept.opened_at if kept.is_open else self._acted.get(number, self._newest)):
                return at
        at = self._acted[number] = self._time_of_act(number)
        return at

    def _time_of_act(self, number: int) -> Nanos:
        at, last = self._newest + ACT, self._acted.get(number, 0)
        if last >= at:
            at = last + NEXT_ACT
        if at >= self._newest + 2 * ACT:
            raise CommandRefused("too many acts at once: try again in a second")
        return at

    def _number_of(self, alarm_id: str) -> int | None:
        for number, kept in self._memory.items():
            if kept.is_open and self._id(number, kept) == alarm_id:
                return number
        names = [f"{self.detector}.{alarm.name}" for alarm in self.alarms]
        return names.index(alarm_id) if alarm_id in names else None

    def _judge(self, number: int, above: bool, score: Score) -> Alert | None:
        kept = self._memory.setdefault(number, Memory())
        if kept.activations and not kept.active:
            condition.forget_activations(kept, score.at)
        before = kept.is_open, kept.opened_at, kept.epoch
        transition = self._follow(number, kept, above, score)
        alert = None
        if transition is not None:
            value = self._value_of(number, transition, score)
            # What ends an alarm still has its id.
            same = "" if transition is Transition.RAISED else self._id_of(number, *before)
            alert = self._alert(number, kept, transition, score.at, value, score, same)
        if transition is Transition.SUPPRESSED and not kept.suppressed:
            kept.close()
        self._forget(number, kept)
        return alert

    def _follow(self, number: int, kept: Memory, above: bool, score: Score) -> Transition | None:
        """What the score brings: the end of what hides the alarm first, then its condition."""
        hidden = self._unhide(kept, score.at)
        if hidden is not None:
            return hidden
        if kept.active:
            return self._follow_active(number, kept, above, score)
        return self._follow_inactive(number, kept, above, score)

    def _unhide(self, kept: Memory, at: Nanos) -> Transition | None:
        if kept.shelved_until and kept.shelved_until != FOREVER and at >= kept.shelved_until:
            kept.shelved_until = 0
            annunciate(kept)
            return Transition.UNSHELVED
        if self.suppression and not kept.suppressed and kept.is_open:
            kept.suppressed = self.suppression
            return Transition.SUPPRESSED
        if kept.suppressed and not self.suppression:
            kept.suppressed = ""
            annunciate(kept)
            return Transition.UNSUPPRESSED
        return None

    def _follow_inactive(
        self, number: int, kept: Memory, above: bool, score: Score
    ) -> Transition | None:
        alarm = self.alarms[number]
        if np.isnan(score.values[number]):
            kept.recent = 0
        if above:
            self._note_peak(number, kept, score, first=not (kept.since or kept.recent))
        if not condition.has_come(alarm, kept, beyond=above, at=score.at):
            return None
        kept.active = kept.is_open = True
        kept.began_at = kept.since or score.at
        kept.opened_at = kept.active_since = kept.reminded_at = score.at
        kept.since, kept.recent, kept.epoch = 0, 0, self.epoch
        kept.acknowledged_by, kept.verdict = "", ""
        kept.latched, kept.escalated = alarm.latch, 0
        condition.note_activation(kept, score.at)
        kept.suppressed = self.suppression
        kept.model, kept.coverage = score.model, score.coverage
        self._note_window(kept, score)
        if alarm.updates:
            kept.causes = causes.causes(self._scopes.get(number), score, self.tags, number)
            kept.updated_at, kept.changed_at = score.at, 0
            kept.top = causes.top_tags(alarm, score, self.tags, number)
        return Transition.RAISED

    def _follow_active(
        self, number: int, kept: Memory, above: bool, score: Score
    ) -> Transition | None:
        alarm = self.alarms[number]
        value = float(score.values[number] * self._sign[number])
        within = bool(score.idle) or value < self._clear_below[number]
        if not condition.has_gone(alarm, kept, within=within, at=score.at):
            if within:
                return None
            if value > kept.peak:
                self._note_peak(number, kept, score)
            if condition.is_due_again(alarm, kept, score.at):
                kept.acknowledged_by, kept.reminded_at = "", score.at
                return Transition.REALARMED
            if condition.is_to_escalate(kept, self.escalations, score.at):
                kept.escalated += 1
                return Transition.ESCALATED
            is_changed = alarm.updates and above and self._is_changed(number, kept, score)
            return Transition.UPDATED if is_changed else None
        kept.active, kept.since = False, 0
        condition.note_return(kept, score.at)
        if kept.shelved_until == FOREVER:
            # One shot: the shelf ends with the condition, and so does the alarm.
            kept.shelved_until = 0
            annunciate(kept)
        if score.idle and not (kept.latched or kept.suppressed):
            return Transition.SUPPRESSED
        return Transition.RETURNED

    def _is_changed(self, number: int, kept: Memory, score: Score) -> bool:
        """Whether the causes of an active alarm are others than those it reported."""
        alarm = self.alarms[number]
        now = causes.causes(self._scopes.get(number), score, self.tags, number)
        if now == kept.causes:
            kept.changed_at = 0
            return False
        kept.changed_at = min(kept.changed_at or score.at, score.at)
        is_worse = any(kept.causes.get(tag) != why for tag, why in now.items())
        held = alarm.on_delay if is_worse else RECOVERED
        if score.at - kept.changed_at < held or score.at - kept.updated_at < UPDATE_EVERY:
            return False
        if now.keys() - kept.causes.keys():
            kept.acknowledged_by = ""
        kept.causes, kept.updated_at, kept.changed_at = now, score.at, 0
        self._note_window(kept, score)
        kept.top = causes.top_tags(alarm, score, self.tags, number)
        return True

    @staticmethod
    def _note_window(kept: Memory, score: Score) -> None:
        kept.regime = score.regime
        kept.window_start, kept.window_end = score.start, score.at if score.start else 0

    def _note_peak(self, number: int, kept: Memory, score: Score, *, first: bool = False) -> None:
        value = float(score.values[number] * self._sign[number])
        if first or not kept.top or value >= kept.peak:
            kept.peak = value
            kept.top = causes.top_tags(self.alarms[number], score, self.tags, number)

    def _forget(self, number: int, kept: Memory) -> None:
        if kept.is_forgettable:
            del self._memory[number]
        elif kept.is_open and kept.state is AlarmState.NORMAL:
            # What is still counted, as its activations, must not keep an alarm that is over.
            kept.close()

    def _value_of(self, number: int, transition: Transition, score: Score) -> float:
        if transition is Transition.SUPPRESSED or np.isnan(score.values[number]):
            # Nothing is judged; what is sent must not look as if it were beyond the threshold.
            return self.alarms[number].threshold
        # + 0.0 makes a zero of a negative one.
        return float(score.values[number]) + 0.0

    def _alert(
        self,
        number: int,
        kept: Memory,
        transition: Transition,
        at: Nanos,
        value: float | None = None,
        score: Score | None = None,
        alarm_id: str = "",
        by: str = "",
        why: str = "",
    ) -> Alert:
        alarm = self.alarms[number]
        peak = float(self._sign[number]) * kept.peak + 0.0
        value = peak if value is None else value
        occasion = Occasion(
            value,
            kept.top,
            len(kept.causes),
            since=kept.began_at,
            after=at - kept.opened_at,
            by=by,
            why=why or (score.idle if score else "") or kept.suppressed,
            verdict=kept.verdict,
            until=None if kept.shelved_until == FOREVER else kept.shelved_until,
            chattering=kept.chattering,
        )
        return Alert(
            id=alarm_id or self._id(number, kept),
            detector=self.detector,
            alarm=alarm.name,
            state=_shown(kept, transition),
            severity=alarm.severity,
            opened_at=kept.opened_at,
            at=at,
            value=value,
            threshold=alarm.threshold,
            peak=peak,
            tag=alarm.tag,
            top_tags=self._words.measured(kept.top),
            model=score.model if score else kept.model,
            coverage=score.coverage if score else kept.coverage,
            message=self._words.say(alarm, transition, occasion),
            transition=transition,
            is_active=kept.active,
            acknowledged_by=kept.acknowledged_by,
            by=by,
            reason=why,
            verdict=kept.verdict,
            below=alarm.below,
            began_at=kept.began_at,
            advice=self._words.advice(alarm),
            window_start=kept.window_start,
            window_end=kept.window_end,
            regime=kept.regime,
            config=self.config,
            ne107=alarm.ne107,
            shelved_until=0 if kept.shelved_until == FOREVER else kept.shelved_until,
            is_hidden=kept.is_hidden,
            chattering=kept.chattering,
        )

    def _id(self, number: int, kept: Memory) -> str:
        return self._id_of(number, kept.is_open, kept.opened_at, kept.epoch)

    def _id_of(self, number: int, is_open: bool, opened_at: Nanos, epoch: int) -> str:
        name = f"{self.detector}.{self.alarms[number].name}"
        return occurrence_id(name, opened_at, epoch) if is_open else name

    def checkpoint(self) -> bytes:
        """The state as JSON; equal states give equal bytes."""
        self._stored = {n: self._encoded(n, self._memory[n]) for n in sorted(self._memory)}
        rows = (
            f"{json.dumps(self.alarms[n].name)}: {text}" for n, (_, text) in self._stored.items()
        )
        return f"{{{', '.join(rows)}}}".encode()

    def _encoded(self, number: int, kept: Memory) -> tuple[tuple[Any, ...], str]:
        # In most ticks most alarms stay as they are: a thousand of them took 10 ms of each.
        values, known = kept.values(), self._stored.get(number)
        if known is not None and known[0] == values:
            return known
        return values, json.dumps(kept.facts())

    def restore(self, state: bytes) -> None:
        """Take up a checkpoint; alarms that no longer exist are left behind."""
        number = {alarm.name: index for index, alarm in enumerate(self.alarms)}
        self._memory = {
            number[name]: remembered(facts)
            for name, facts in json.loads(state).items()
            if name in number
        }


def _shown(kept: Memory, transition: Transition) -> AlarmState:
    if transition is Transition.SUPPRESSED and not kept.is_hidden:
        # The machine stopped, which ends the alarm.
        return AlarmState.SUPPRESSED
    return kept.state


def _just_after(at: Nanos) -> Nanos:
    """A time between two acts, which no act has: at first half a step later, then a little more."""
    later = at + (NEXT_ACT // 100 if at % NEXT_ACT else NEXT_ACT // 2)
    if later % NEXT_ACT == 0:
        raise CommandRefused("too many comments on one alarm that is over")
    return later
