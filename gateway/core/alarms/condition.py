"""Whether an alarm's condition holds: delays, N of M, hysteresis, minimum duration; and whether
people are to be told again. Pure.

Promises
- A score that cannot be judged (NaN) neither raises nor clears: what is active stays, and a pending
  delay or count starts over.
- No time of a score is taken for later than it was first seen at.
- An alarm that was activated three times within a minute is chattering: it stays active until its
  condition has been away for a whole minute, so it is one alarm and not one in each few seconds.

ISA-18.2 recommends that no alarm chatters and gives no number; three activations in a minute are
the usual operational rule.
"""

from collections.abc import Sequence

from gateway.api.alarms import Alarm
from gateway.api.model import SECOND, Nanos
from gateway.core.alarms.memory import Memory

CHATTERING = 3
"""Activations within CHATTERING_SPAN that make an alarm a chattering one."""
CHATTERING_SPAN = 60 * SECOND
QUIET = 60 * SECOND
"""How long the condition of a chattering alarm must have been away before the alarm returns."""


def has_come(alarm: Alarm, kept: Memory, *, beyond: bool, at: Nanos) -> bool:
    """Whether an inactive alarm's condition holds now; notes what is pending."""
    if alarm.of_last is not None:
        wanted, last = alarm.of_last
        kept.recent = (kept.recent << 1 | beyond) & ((1 << last) - 1)
        count = kept.recent.bit_count()
        times = (*kept.counted, at) if beyond else tuple(kept.counted)
        kept.counted = times[len(times) - count :]
        if not beyond or count < wanted:
            return False
        # The condition began with the first score that counts.
        kept.since, kept.counted = min(*kept.counted, at), ()
        return True
    if not beyond:
        kept.since = 0
        return False
    kept.since = min(kept.since or at, at)
    return at - kept.since >= alarm.on_delay


def has_gone(alarm: Alarm, kept: Memory, *, within: bool, at: Nanos) -> bool:
    """Whether an active alarm's condition holds no longer; notes what is pending."""
    if not within:
        kept.since = 0
        return False
    kept.since = min(kept.since or at, at)
    if at - kept.active_since < alarm.minimum_duration:
        return False
    return at - kept.since >= (max(alarm.off_delay, QUIET) if kept.chattering else alarm.off_delay)


def note_activation(kept: Memory, at: Nanos) -> None:
    """An alarm was activated: it may be chattering now."""
    forget_activations(kept, at)
    kept.activations += (at,)
    kept.chattering = len(kept.activations) >= CHATTERING


def note_return(kept: Memory, at: Nanos) -> None:
    """An alarm returned: what was held has been quiet for long enough."""
    if kept.chattering:
        kept.chattering = False
        kept.activations = ()
    forget_activations(kept, at)


def forget_activations(kept: Memory, at: Nanos) -> None:
    """Leave out what is too long ago to count, or in the future of a clock that was set back."""
    recent = (each for each in kept.activations if at - CHATTERING_SPAN <= each <= at)
    kept.activations = tuple(recent)


def is_due_again(alarm: Alarm, kept: Memory, at: Nanos) -> bool:
    """Whether people are to be told again of an alarm that stays active."""
    if not alarm.realarm_after or kept.is_hidden:
        return False
    return at - kept.reminded_at >= alarm.realarm_after


def is_to_escalate(kept: Memory, after: Sequence[Nanos], at: Nanos) -> bool:
    """Whether an active alarm waits for its acknowledgement so long that others are to be told.

    `after`: ns since the activation, ascending; each is due once.
    """
    if kept.acknowledged_by or kept.is_hidden or kept.escalated >= len(after):
        return False
    return at - kept.active_since >= after[kept.escalated]
