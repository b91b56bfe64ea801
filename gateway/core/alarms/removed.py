"""Alarms that were open when they were taken out of the line file: their end. Pure.

Promises
- What is left of an alarm in a checkpoint, and of which the line knows nothing, is ended by one
  transition, so that it is not open for ever where its transitions went.
- It is ended as what it was last: with its own id, severity and tag. Where nothing is known of it
  but the checkpoint, it has medium severity.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.api.alarms import (
    Alarm,
    AlarmState,
    Alert,
    Severity,
    Transition,
)
from gateway.api.model import (
    Nanos,
)
from gateway.core.alarms.memory import Memory, alarm_id, remembered
from gateway.core.alarms.words import Occasion, Words

WHY = "it is not in the line file any more"


def left_behind(state: bytes, known: Collection[str]) -> Mapping[str, Memory]:
    """What a detector's checkpoint has of alarms that are not normal and not `known`, by name."""
    known = frozenset(known)
    kept = {name: remembered(facts) for name, facts in json.loads(state).items()}
    return {
        name: each
        for name, each in kept.items()
        if name not in known and each.state is not AlarmState.NORMAL
    }


def last_known(detector: str, name: str, kept: Memory) -> Alert:
    """The alert of such an alarm, as far as its checkpoint knows it."""
    return Alert(
        id=alarm_id(f"{detector}.{name}", kept),
        detector=detector,
        alarm=name,
        state=kept.state,
        severity=Severity.MEDIUM,
        opened_at=kept.opened_at,
        at=kept.opened_at,
        value=kept.peak,
        threshold=kept.peak,
        peak=kept.peak,
        transition=Transition.RAISED,
        is_active=kept.active,
        began_at=kept.began_at,
        top_tags=kept.top,
        verdict=kept.verdict,
    )


def ended(last: Alert, at: Nanos, words: Words, config: str) -> Alert:
    """The end of an alarm by its last alert; `config` is the version of the line file."""
    alarm = Alarm(last.alarm, last.threshold, tag=last.tag)
    transition = Transition.REMOVED
    return replace(
        last,
        at=at,
        value=last.threshold,
        state=AlarmState.NORMAL,
        transition=transition,
        is_active=False,
        is_hidden=False,
        shelved_until=0,
        chattering=False,
        by="",
        reason=WHY,
        config=config,
        message=words.say(alarm, transition, Occasion(last.peak, why=WHY)),
    )
