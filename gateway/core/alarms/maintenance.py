"""Maintenance of a line: when it is on, who asked for it, and why. Pure.

Promises
- It is on by a person's command, by a tag, or by both. A command ends at its time, and a restart
  or a step of the clock changes nothing of that.
- What the tag says follows from its good samples alone. A tag without a good sample for `patience`
  says nothing: maintenance by it ends, with that as the reason, since what is unknown suppresses
  no alarm. It begins with the time of its sample, so what changed with the tag is suppressed.
- It ends once the tag has had another value for `settle`: a tag that flickers begins it once.
- A person may end what the tag has switched on; that holds until the tag says that it is over.
- What lies within it can be asked by time, so that a window which ends after it and holds data of
  it is suppressed as well.
- Maintenance that is on for longer than a limit is an alarm of low severity, which maintenance does
  not suppress.
"""

import json
from collections import deque
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from gateway.api.alarms import Alarm, Severity
from gateway.api.contracts import CommandRefused
from gateway.api.durations import spell
from gateway.api.model import SECOND, Nanos, Quality, SampleBatch, Score
from gateway.core.alarms.journal import EntryKind, JournalEntry

DETECTOR = "maintenance"
"""The name under which its alarm is listed; no detector of a line file may have it."""
HOUR = 3600 * SECOND
LONGEST = 12 * HOUR
LEAST_PATIENCE = 60 * SECOND
KEPT = 100
"""Stretches that are remembered for windows which overlap them."""
PHRASE = "Maintenance has been on for {value} h, longer than {limit} h: process alarms are hidden"
ADVICE = "switch it off if the line runs again"
NO_GOOD_VALUE = "no good value of {tag} for {age}: whether maintenance is on is unknown"


class TagRule(NamedTuple):
    """The tag that says whether maintenance is on: its index, and the values that mean it."""

    number: int
    name: str
    values: Collection[float]
    patience: Nanos
    """How long a value holds without another good sample."""
    settle: Nanos = 0
    """How long it must have another value before maintenance ends."""
    words: str = ""
    """The values for people."""


class Change(NamedTuple):
    """What happened to maintenance: it `began`, `changed` or `ended`."""

    transition: str
    at: Nanos
    by: str
    why: str
    until: Nanos | None = None
    source: str = ""

    def entry(self) -> JournalEntry:
        """The entry of the journal."""
        by = f" by {self.by}" if self.by else ""
        why = f": {self.why}" if self.why else ""
        return JournalEntry(
            self.at,
            EntryKind.MAINTENANCE,
            f"maintenance {self.transition}{by}{why}",
            transition=self.transition,
            state="off" if self.transition == "ended" else "on",
            by=self.by,
            reason=self.why,
            facts={"until": self.until, "source": self.source},
        )


@dataclass
class _Kept:
    """What a restart must not forget."""

    since: Nanos = 0
    """0 while it is off."""
    reason: str = ""
    """Why alarms are suppressed while it is on, for their messages."""
    commanded: bool = False
    until: Nanos | None = None
    by: str = ""
    why: str = ""
    by_tag: bool = False
    said_at: Nanos = 0
    """The time of the sample by which the tag began to say so."""
    left_at: Nanos = 0
    """Since when the tag has another value again; 0 while it does not."""
    good_at: Nanos = 0
    """When the tag's last good sample came."""
    overruled: bool = False
    """Whether a person ended what the tag still says."""


class Maintenance:
    """The maintenance of one line; without a `rule` by command only. `longest`: the alarm's."""

    def __init__(self, rule: TagRule | None = None, longest: Nanos = LONGEST) -> None:
        self._rule, self._kept = rule, _Kept()
        self._over = deque[tuple[Nanos, Nanos, str]](maxlen=KEPT)
        self._asked: Change | None = None
        self.alarms = (
            Alarm(
                "too_long",
                threshold=round(longest / HOUR, 3),
                severity=Severity.LOW,
                scope=None,
                title="Maintenance is still on",
                phrase=PHRASE,
                advice=ADVICE,
            ),
        )

    @property
    def is_on(self) -> bool:
        return bool(self._kept.since)

    def switch_on(self, now: Nanos, until: Nanos | None, by: str, why: str) -> None:
        """A person asks for it, until a time or until it is switched off."""
        if until is not None and until <= now:
            raise CommandRefused("the end of the maintenance lies in the past")
        kept = self._kept
        kept.commanded, kept.until, kept.by, kept.why = True, until, by, why
        self._asked = Change("changed", now, by, why, until, "command")

    def switch_off(self, now: Nanos, by: str, why: str) -> None:
        """A person ends it, also if a tag or another person began it."""
        if not (self.is_on or self._kept.commanded):
            raise CommandRefused("maintenance is not on")
        self._kept.overruled = self._tag_says(now)
        self._end_command()
        self._asked = Change("ended", now, by, why)

    def push(self, batch: SampleBatch, now: Nanos) -> None:
        """Samples that came; of the line's tag indices."""
        rule = self._rule
        if rule is None:
            return
        good = (batch.tag == rule.number) & (batch.quality == Quality.GOOD)
        if not good.any():
            return
        # The order is that of arrival, so the last one decides.
        last, kept = np.flatnonzero(good)[-1], self._kept
        is_news, kept.good_at = not kept.by_tag or self._is_unknown(now), now
        if float(batch.value[last]) in rule.values:
            if is_news:
                kept.said_at = max(min(int(batch.at[last]), now), now - rule.patience)
            kept.by_tag, kept.left_at = True, 0
        elif is_news:
            # What it said before its data failed is no longer true, and does not settle.
            kept.by_tag, kept.left_at, kept.overruled = False, 0, False
        elif not kept.left_at:
            kept.left_at = now

    def tick(self, now: Nanos) -> Change | None:
        """What changed since the last call: it began, was changed or ended."""
        kept, asked = self._kept, self._asked
        self._asked = None
        is_over = kept.commanded and kept.until is not None and now >= kept.until
        if is_over:
            self._end_command()
        if kept.left_at and self._rule and not 0 <= now - kept.left_at < self._rule.settle:
            kept.by_tag, kept.left_at, kept.overruled = False, 0, False
        by_tag = self._tag_says(now) and not kept.overruled
        if kept.commanded or by_tag:
            return self._on(now, asked)
        if not kept.since:
            return None
        self._over.append((kept.since, now, kept.reason))
        kept.since, kept.reason = 0, ""
        return asked or Change("ended", now, "", self._why_ended(now, is_over=is_over))

    def _on(self, now: Nanos, asked: Change | None) -> Change | None:
        kept = self._kept
        begins = not kept.since
        kept.since = kept.since or (now if kept.commanded else kept.said_at or now)
        facts = self.facts()
        kept.reason = f"maintenance: {facts['why']}" if facts["why"] else "maintenance"
        if begins:
            return Change(
                "began", kept.since, facts["by"], facts["why"], facts["until"], facts["source"]
            )
        return asked

    def _end_command(self) -> None:
        kept = self._kept
        kept.commanded, kept.until, kept.by, kept.why = False, None, "", ""

    def _tag_says(self, now: Nanos) -> bool:
        kept = self._kept
        return self._rule is not None and kept.by_tag and not self._is_unknown(now)

    def _is_unknown(self, now: Nanos) -> bool:
        # A clock that was set back leaves a time of the future behind.
        age = now - self._kept.good_at
        return self._rule is not None and not 0 <= age <= self._rule.patience

    def _why_ended(self, now: Nanos, *, is_over: bool) -> str:
        rule, kept = self._rule, self._kept
        if is_over:
            return "its time is over"
        if rule is not None and kept.by_tag and self._is_unknown(now):
            return NO_GOOD_VALUE.format(tag=rule.name, age=spell(rule.patience))
        return f"{rule.name} is no longer {rule.words}" if rule else "the line file names no tag"

    def touches(self, start: Nanos, end: Nanos) -> str:
        """Why what was measured between `start` and `end` is suppressed; empty if it is not."""
        if self._kept.since and self._kept.since < end:
            return self._kept.reason
        found = (why for since, until, why in self._over if since < end and start < until)
        return next(found, "")

    def facts(self) -> dict[str, Any]:
        """Whether it is on, since and until when, by whom and why; as JSON can hold it."""
        kept, rule = self._kept, self._rule
        if not kept.since:
            return {"on": False, "since": 0, "until": None, "by": "", "why": "", "source": ""}
        by = {"on": True, "since": kept.since, "until": kept.until}
        if kept.commanded or rule is None:
            return {**by, "by": kept.by, "why": kept.why, "source": "command"}
        return {**by, "by": "", "why": f"{rule.name} is {rule.words}", "source": "tag"}

    def score(self, now: Nanos) -> Score:
        """How many hours it has been on."""
        on = (now - self._kept.since) / HOUR if self._kept.since else 0.0
        return Score(now, np.array([round(on, 1)]), coverage=1.0)

    def shift(self, step: Nanos) -> None:
        """The clock was stepped: it lasts as long as was asked for."""
        kept = self._kept
        kept.since += step if kept.since else 0
        kept.said_at += step if kept.said_at else 0
        kept.good_at += step if kept.good_at else 0
        kept.left_at += step if kept.left_at else 0
        if kept.until is not None:
            kept.until += step
        self._over.clear()

    def checkpoint(self) -> bytes:
        """Everything that `restore` takes."""
        if self._kept == _Kept(good_at=self._kept.good_at) and not self._over:
            return b"{}"
        kept = asdict(self._kept)
        # It changes with every sample, and would be written with every one.
        del kept["good_at"]
        return json.dumps({**kept, "over": list(self._over)}).encode()

    def restore(self, state: bytes, now: Nanos) -> None:
        """Go on where the last run stopped; the tag has its patience to say the same again."""
        known = json.loads(state)
        self._over.extend((since, until, why) for since, until, why in known.pop("over", ()))
        self._kept = _Kept(**known)
        self._kept.by_tag &= self._rule is not None
        self._kept.good_at = now
