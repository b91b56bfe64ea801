"""One detector: what it last judged, or why it cannot.

Promises
- A detector is `ok` only if it can judge every alarm it has: one tag of many that gives no usable
  data makes it `blind`, and the reason names the tag and what is wrong with it.
- It is `starting`, not blind, until its first windows are full and its tags had time to deliver.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.local_time import local_time
from gateway.api.model import Nanos, Score
from gateway.api.wording import NAMED, listed

NO_PROBLEMS: Mapping[str, str] = {}


@dataclass(slots=True)
class DetectorHealth:
    """One detector: its last score, or why it has none. `tags` are the ones that it needs."""

    name: str
    alarms: Sequence[Alarm] = ()
    warm_up: int = 0
    """Windows until the first full one; until then it is starting, not blind."""
    tags: Sequence[str] = ()
    state: str = "starting"
    reason: str = "no full window yet"
    since: Nanos = 0
    """The time of the window with which it came into this state."""
    has_started: bool = False
    """Whether it has judged all its alarms once."""
    is_explained: bool = False
    """Whether the reason names a tag that gives no usable data: that can be found out later."""
    is_stuck: bool = False
    """Whether it has not come back from a call."""
    model: str = ""
    unsure_until: Nanos = 0
    """The end of windows that hold the gap of a restart; until then its alarms wait."""
    scored: int = 0
    refused: int = 0
    idle: int = 0
    """Windows in which there was nothing to judge."""
    score: float | None = None
    coverage: float = 0.0
    last_at: Nanos = 0
    farthest: float | None = None
    """The score nearest to its alarm, or farthest beyond it, since `take_farthest`."""

    @property
    def sentence(self) -> str:
        """Its state and why: 'blind since 10:42: no data for 3 of 12 tags: flow, speed (…)'."""
        since = f" since {local_time(self.since, '%H:%M')}" if self.since else ""
        return f"{self.state}{since}: {self.reason}" if self.reason else self.state

    @property
    def threshold(self) -> float | None:
        """The threshold of a detector with one score; None where each alarm has its own."""
        return self.alarms[0].threshold if len(self.alarms) == 1 else None

    @property
    def below(self) -> bool:
        """Whether its one alarm is active below the threshold."""
        return len(self.alarms) == 1 and self.alarms[0].below

    def note(
        self,
        score: Score,
        problems: Mapping[str, str] = NO_PROBLEMS,
        awaited: Collection[str] = (),
    ) -> str | None:
        """Take a score in; the new state if that, or the tag that is its reason, is news.

        `problems` says of the line's tags that are not fresh why; `awaited` are those that had no
        time to deliver yet.
        """
        before = self.state
        news = self._judge(score, problems, awaited)
        if self.state != before:
            self.since = score.at
        return news

    def _judge(
        self, score: Score, problems: Mapping[str, str], awaited: Collection[str]
    ) -> str | None:
        before = self.state
        self.is_stuck = False
        self.model, self.coverage, self.last_at = score.model, score.coverage, score.at
        self.score = None
        if score.idle:
            self.state, self.reason = "idle", score.idle
            self.idle += 1
            return self._news(before)
        self._note_values(score)
        if not score.blind and score.at < self.unsure_until:
            until = local_time(self.unsure_until, "%H:%M:%S")
            self.state = "starting"
            self.reason = f"its alarms wait until {until}: the window has the gap of a restart"
            return self._news(before)
        if not score.blind and np.isfinite(score.values).all():
            self.state, self.reason, self.has_started = "ok", "", True
            return self._news(before)
        if score.blind and score.contribution is not None and score.coverage > 0:
            # It had its data, and gave no number for it: no tag is the reason, and none will be.
            news = (self.state, self.reason) != ("blind", score.blind)
            self.state, self.reason, self.is_explained = "blind", score.blind, False
            return self.state if news else None
        lacking = [tag for tag in self._unjudged(score) if tag in problems]
        is_awaited = bool(lacking) and all(tag in awaited for tag in lacking)
        is_warming_up = self.scored + self.refused <= self.warm_up
        is_starting = not self.has_started and (is_warming_up or is_awaited)
        self.state = "starting" if is_starting else "blind"
        self.reason = self._why(score, lacking, problems)
        was_explained = self.is_explained and before == self.state
        self.is_explained = self.state == "blind" and bool(lacking)
        return self.state if self.is_explained and not was_explained else self._news(before)

    def _news(self, before: str) -> str | None:
        return self.state if self.state != before else None

    def _note_values(self, score: Score) -> None:
        if score.blind or not np.isfinite(score.values).any():
            self.refused += 1
            return
        self.scored += 1
        if len(score.values) == 1:
            self.score = float(score.values[0])
            pick = min if self.below else max
            self.farthest = self.score if self.farthest is None else pick(self.score, self.farthest)

    def _unjudged(self, score: Score) -> Sequence[str]:
        """The tags that may be why something was not judged."""
        if score.blind:
            return self.tags
        blank = np.flatnonzero(~np.isfinite(score.values)).tolist()
        own = [self.alarms[number].tag for number in blank if number < len(self.alarms)]
        return list(dict.fromkeys(tag for tag in own if tag is not None)) or self.tags

    def _why(self, score: Score, lacking: Sequence[str], problems: Mapping[str, str]) -> str:
        if lacking:
            reasons = {tag: problems[tag] for tag in lacking}
            if score.blind and score.blind != f"no data for {listed(lacking)}":
                # It lacked other tags, or says more about them.
                one = len(set(reasons.values())) == 1 and listed(lacking) in score.blind
                return f"{score.blind}: {problems[lacking[0]] if one else named(reasons)}"
            return f"no data for {len(lacking)} of {len(self.tags)} tags: {named(reasons)}"
        unjudged = [] if score.blind else self._unjudged(score)
        if not self.tags:
            return score.blind or "no data"
        if unjudged and len(unjudged) < len(self.tags):
            return f"the window fills: data again from {', '.join(unjudged[:NAMED])}"
        fills = "the window fills: its tags give data again"
        return f"{fills} ({score.blind} in it yet)" if score.blind else fills

    def note_failure(self, why: str) -> bool:
        """The detector itself failed; True if that is news."""
        news = self.state != "failed"
        self.since = self.last_at if news else self.since
        self.is_stuck = False
        self.state, self.reason, self.score = "failed", why, None
        self.refused += 1
        return news

    def note_stuck(self, why: str) -> bool:
        """It has not come back from a call; True if that is news."""
        news = not self.is_stuck
        self.is_stuck = True
        self.since = self.last_at if self.state != "blind" else self.since
        self.state, self.reason, self.score = "blind", why, None
        return news

    def take_farthest(self) -> float | None:
        """The farthest score since the last call."""
        farthest, self.farthest = self.farthest, None
        return farthest


def named(reasons: Mapping[str, str]) -> str:
    """Tags and their reasons: 'flow (exception 2), speed (timeout)', or 'flow, speed (timeout)'."""
    groups: dict[str, list[str]] = {}
    for tag in list(reasons)[:NAMED]:
        groups.setdefault(reasons[tag], []).append(tag)
    more = ", …" if len(reasons) > NAMED else ""
    return ", ".join(f"{', '.join(tags)} ({why})" for why, tags in groups.items()) + more
