"""What waits for one receiver, and what may leave now. Pure: the time is an argument.

Promises
- Every alert that is offered is sent, waits, or is counted with the reason why it is left out.
- What follows an alarm, such as its return, is sent only to receivers that got the alarm.
- Alarms of a flood are not sent singly: the alarm that reports it is, and when it is over.
- More than `digest_above` alerts leave in one message, as do those that waited for the end of the
  quiet hours or for the limit of messages.
- At most `MOST_WAITING` alerts wait; of more the least severe and oldest are counted only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.api.alarms import Transition
from gateway.api.model import Nanos
from gateway.sinks.alert_news import AlertNews
from gateway.sinks.notify.options import TargetOptions
from gateway.sinks.notify.quiet import quiet_until
from gateway.sinks.notify.rate import Rate

MOST_WAITING = 500
MOST_TOLD = 1_000
"""Alarms of which is remembered that this receiver knows them."""
_FOLLOWING = frozenset(
    set(Transition) - {Transition.RAISED, Transition.ESCALATED, Transition.REALARMED}
)
_MENTIONED = ("flood", "overflow")
"""Reasons that the next message mentions; what a filter leaves out is not worth a word."""


@dataclass(slots=True)
class Mailbox:
    """The alerts of one receiver."""

    options: TargetOptions
    _waiting: dict[str, AlertNews] = field(default_factory=dict)
    """By key, in the order in which they came."""
    _ids: Counter[str] = field(default_factory=Counter)
    """How many of those that wait are of an alarm."""
    held: set[str] = field(default_factory=set)
    """The keys of those that could not leave when they came."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many were left out, by reason, since the sink was first used."""
    unreported: Counter[str] = field(default_factory=Counter)
    """The part of it that no message has mentioned."""
    told: dict[str, None] = field(default_factory=dict)
    sent: int = 0
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.rate = Rate(self.options.most_per_hour)

    @property
    def waiting(self) -> list[AlertNews]:
        """What waits, in the order in which it came."""
        return list(self._waiting.values())

    def offer(self, news: AlertNews, step: int) -> None:
        """Takes an alert, or counts why it is left out; `step` is that of an escalation, or 0."""
        why = self._why_not(news, step)
        if why:
            self._leave_out(why)
            return
        self._add(news)
        # Not at each one: of a thousand alerts at once that would hold the event loop for a second.
        if len(self._waiting) >= 2 * MOST_WAITING:
            self.trim()

    def trim(self) -> None:
        """Leaves out what is too much."""
        excess = len(self._waiting) - MOST_WAITING
        if excess > 0:
            for each in sorted(self.waiting, key=lambda each: (each.rank, each.at))[:excess]:
                self._drop(each)
                self._leave_out("overflow")

    def _why_not(self, news: AlertNews, step: int) -> str:
        knows = news.id in self.told or news.id in self._ids
        if knows and _ends_a_flood(news):
            return ""
        if why := self.options.why_not(news):
            return why
        if news.in_flood:
            return "flood"
        if self.options.escalation is not None:
            if news.transition == Transition.ESCALATED:
                return "" if step == self.options.escalation else "escalation"
            is_first = news.transition == Transition.RAISED
            return "" if knows and not is_first else "escalation"
        return "" if knows or news.transition not in _FOLLOWING else "not told before"

    def _leave_out(self, why: str) -> None:
        self.left_out[why] += 1
        if why in _MENTIONED:
            self.unreported[why] += 1

    def next(self, now: Nanos) -> Sequence[AlertNews]:
        """What the next message tells, oldest first; empty if none may leave now."""
        quiet = self._quiet_until(now)
        ready = [each for each in self.waiting if quiet is None or self._passes(each)]
        self.held |= self._waiting.keys() - {each.key for each in ready}
        if not ready:
            return ()
        available = self.rate.available(now)
        if not available:
            self.held |= {each.key for each in ready}
            return ()
        is_held = any(each.key in self.held for each in ready)
        if is_held or len(ready) > min(self.options.digest_above, available):
            return ready
        return ready[:1]

    def note_sent(self, news: Sequence[AlertNews], now: Nanos) -> None:
        """A message with these left."""
        for each in news:
            self._drop(each)
            if each.id:
                self.told.pop(each.id, None)
                self.told[each.id] = None
        while len(self.told) > MOST_TOLD:
            del self.told[next(iter(self.told))]
        self.unreported.clear()
        self.rate.spend(now)
        self.sent += 1

    def due_in(self, now: Nanos) -> Nanos | None:
        """How long until something may leave; None if nothing waits."""
        if not self._waiting:
            return None
        quiet = self._quiet_until(now)
        if quiet is not None and not any(map(self._passes, self.waiting)):
            return max(quiet - now, self.rate.wait(now))
        return self.rate.wait(now)

    def _drop(self, news: AlertNews) -> None:
        if self._waiting.pop(news.key, None) is not None:
            self._ids[news.id] -= 1
            if not self._ids[news.id]:
                del self._ids[news.id]
        self.held.discard(news.key)

    def _add(self, news: AlertNews) -> None:
        if news.key not in self._waiting:
            self._ids[news.id] += 1
        self._waiting[news.key] = news

    def _quiet_until(self, now: Nanos) -> Nanos | None:
        hours = self.options.quiet_hours
        return None if hours is None else quiet_until(hours, now)

    def _passes(self, news: AlertNews) -> bool:
        hours = self.options.quiet_hours
        return hours is None or news.rank >= hours.min_severity.rank

    def facts(self) -> dict[str, Any]:
        """As plain values, to be kept."""
        return {
            "waiting": [each.facts() for each in self.waiting],
            "held": sorted(self.held),
            "left_out": dict(self.left_out),
            "unreported": dict(self.unreported),
            "told": list(self.told),
            "sent": self.sent,
            "rate": [self.rate.left, self.rate.at],
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """What `facts` gave; KeyError, TypeError or ValueError for anything else."""
        waiting = [AlertNews.restored(each) for each in facts["waiting"]]
        left, at = facts["rate"]
        self.held = set(facts["held"])
        self.left_out = Counter({str(k): int(v) for k, v in facts["left_out"].items()})
        self.unreported = Counter({str(k): int(v) for k, v in facts["unreported"].items()})
        self.told = dict.fromkeys(facts["told"][-MOST_TOLD:])
        self.sent = int(facts["sent"])
        self.rate = Rate(self.options.most_per_hour, float(left), int(at))
        for each in waiting:
            self._add(each)
        self.trim()


def _ends_a_flood(news: AlertNews) -> bool:
    is_flood = (news.detector, news.alarm) == ("alarms", "flood")
    return is_flood and news.transition == Transition.RETURNED
