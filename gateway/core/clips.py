"""The clips of raw samples that are owed to the sinks: one around each alarm, in bounds. Pure.

Promises
- Nothing is owed but what an activation asks for: its causes, or all tags, from `before` to
  `after`. One that comes while a clip is open joins it, up to twice a clip's length.
- An alarm whose verdict is `unclear` asks for its clip if that was not sent: all of them where only
  the unclear ones are wanted, and those that an hour had no room for. So does a near miss, where
  they are wanted.
- No clip holds more than `at_most` samples, no full hour (UTC) more than `per_hour`: a clip with
  more is downsampled, one that the hour has no room for is left out. Both are counted and reported.
- A sample that was sent with one clip is not sent with the next.
- A clip is owed until its points are stored with the state that says so: a restart changes nothing.
"""

import json
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np

from gateway.api.alarms import AlarmState, Alert, Transition, Verdict
from gateway.api.model import SECOND, Envelope, Kind, Loss, Nanos, SampleBatch, Tag
from gateway.core.downsample import downsampled
from gateway.core.near_misses import NearMiss

HOUR: Nanos = 3600 * SECOND
LISTED = 20
"""Alerts that a clip names; the others are counted."""
ALARM, UNCLEAR, NEAR_MISS = "alarm", "unclear", "near_miss"
"""What asks for a clip: an activation, a verdict, a score just below the threshold."""
WAITING = 100
"""Clips that wait at most when a verdict or a near miss asks for one more."""
REMEMBERED = 500
"""Alarms of which is known that their clip is owed or was sent."""


class ClipOptions(Protocol):
    """What is read of the line file's `history.clip` section."""

    @property
    def before(self) -> Nanos: ...

    @property
    def after(self) -> Nanos: ...

    @property
    def tags(self) -> Literal["causes", "all"]: ...

    @property
    def at_most(self) -> int: ...

    @property
    def per_hour(self) -> int: ...

    @property
    def of(self) -> Literal["alarms", "unclear"]: ...

    @property
    def near_misses(self) -> bool: ...


@dataclass(slots=True)
class Clip:
    """Raw samples that are owed: of these tags, with times from `since` to `until`, both included.

    `at` is the time of the first activation; the clip is cut when it is `due`, 0 for at once.
    `note` says why samples may be missing, `asked` what asked for it.
    """

    at: Nanos
    since: Nanos
    until: Nanos
    due: Nanos
    tags: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    alert_count: int = 0
    note: str = ""
    asked: str = ALARM


class Cut(NamedTuple):
    """A clip as it is sent: how many samples were found, those sent, and what is missing."""

    clip: Clip
    found: int
    samples: SampleBatch
    note: str
    loss: Loss | None = None


class ClipPlan:
    """The clips of one line. `lateness` is how long samples are waited for, ns."""

    def __init__(self, options: ClipOptions, tags: Sequence[Tag], lateness: Nanos) -> None:
        self._options, self._lateness = options, lateness
        self._tags = {tag.name: (number, tag.period) for number, tag in enumerate(tags)}
        self._owed: list[Clip] = []
        self._clipped = deque[str](maxlen=REMEMBERED)
        self._sent_until: dict[str, Nanos] = {}
        self._hour, self._spent = 0, 0
        self._is_cutting, self._is_news = False, False
        self._ready: tuple[Cut, Sequence[Envelope], Nanos] | None = None
        self._counts = Counter[str]()

    def ask(self, alert: Alert) -> None:
        """Owe a clip for this alert if it asks for one and has a tag to show."""
        tags = {*(top.tag for top in alert.top_tags), alert.tag or ""}
        is_hidden = alert.state is AlarmState.SUPPRESSED
        if alert.transition is Transition.RAISED and self._options.of == "alarms" and not is_hidden:
            self._owe(alert.id, alert.at, tags, ALARM)
        is_unclear = alert.transition is Transition.COMMENTED and alert.verdict == Verdict.UNCLEAR
        if is_unclear and alert.id not in self._clipped:
            self._owe(alert.id, alert.opened_at, tags, UNCLEAR)

    def ask_for(self, near_miss: NearMiss) -> None:
        """Owe a clip for what was almost an alarm, if that is wanted."""
        if self._options.near_misses:
            self._owe(near_miss.id, near_miss.at, near_miss.tags, NEAR_MISS)

    def _owe(self, alarm_id: str, at: Nanos, causes: Collection[str], asked: str) -> None:
        tags = set(self._tags) if self._options.tags == "all" else self._tags.keys() & causes
        if not tags:
            return
        since, until = at - self._options.before, at + self._options.after
        clip = self._open_until(at, until) if asked != UNCLEAR else None
        if clip is None:
            if asked != ALARM and len(self._owed) >= WAITING:
                self._counts["left_out"] += 1
                return
            clip = Clip(at, since, until, due=0, asked=asked)
            self._owed.append(clip)
            self._is_news = True
        clip.until = max(clip.until, until)
        clip.due = clip.until + self._lateness
        clip.tags = sorted({*clip.tags, *tags})
        clip.alert_count += 1
        self._clipped.append(alarm_id)
        self._counts[f"asked_{asked}"] += 1
        if len(clip.alerts) < LISTED:
            clip.alerts.append(alarm_id)

    def _open_until(self, at: Nanos, until: Nanos) -> Clip | None:
        """The clip that an activation at this time joins."""
        clip = self._owed[-1] if len(self._owed) > self._is_cutting else None
        if clip is None or not clip.due or at > clip.until:
            return None
        return clip if until - clip.since <= self._longest else None

    @property
    def _longest(self) -> Nanos:
        return 2 * (self._options.before + self._options.after)

    def take_news(self) -> bool:
        """Whether a clip was opened since the last call."""
        news, self._is_news = self._is_news, False
        return news

    def begin(self, now: Nanos) -> Clip | None:
        """The clip that is due, to be cut and recorded; the same again until it is."""
        if self._ready or not self._owed:
            return None
        # What is due beyond all reason was asked for by a clock that has been set back since.
        if 0 < self._owed[0].due - now <= self._longest + self._lateness:
            return None
        self._is_cutting = True
        return self._owed[0]

    def make_due_now(self) -> None:
        """The clock was stepped: what comes now carries other times, and is not waited for."""
        self._sent_until.clear()
        for clip in self._owed[self._is_cutting :]:
            clip.due, clip.note = 0, "clock_stepped"

    def numbers(self, clip: Clip) -> Mapping[str, int]:
        """The line's indices of those of its tags that the line still has."""
        return {tag: self._tags[tag][0] for tag in clip.tags if tag in self._tags}

    def cut(self, clip: Clip, samples: SampleBatch, damaged: Sequence[str], now: Nanos) -> Cut:
        """Choose what is sent of the samples in the history, of which some files may be damaged."""
        notes = [clip.note, "damaged_history" if damaged else ""]
        if not len(samples) and (any(notes) or clip.asked == UNCLEAR):
            return self._left_out(clip, samples, [*notes, "no_history"], self._expected(clip))
        fresh = self._not_sent_yet(clip, samples)
        if min(len(fresh), self._options.at_most) > self._options.per_hour - self._spent_in(now):
            return self._left_out(clip, fresh, [*notes, "per_hour"], len(fresh))
        kept = downsampled(fresh, self._options.at_most)
        notes.append("thinned" if len(kept) < len(fresh) else "")
        return Cut(clip, len(fresh), kept, _note(notes))

    def _left_out(self, clip: Clip, samples: SampleBatch, notes: list[str], count: int) -> Cut:
        loss = Loss(Kind.CLIP, notes[-1], count, clip.since, clip.until)
        return Cut(clip, len(samples), samples.rows(slice(0)), _note(notes), loss)

    def _expected(self, clip: Clip) -> int:
        """The most samples that the tags can have had."""
        length = clip.until - clip.since
        return sum(length // self._tags[tag][1] + 1 for tag in self.numbers(clip))

    def _not_sent_yet(self, clip: Clip, samples: SampleBatch) -> SampleBatch:
        sent_until = np.zeros(len(self._tags), dtype=np.int64)
        for tag, until in self._sent_until.items():
            # A later time was another clock's, before a restart.
            if tag in self._tags and until <= clip.until:
                sent_until[self._tags[tag][0]] = until
        return samples.rows(samples.at > sent_until[samples.tag])

    def _spent_in(self, now: Nanos) -> int:
        return self._spent if now // HOUR == self._hour else 0

    def record(self, cut: Cut, points: Sequence[Envelope], now: Nanos) -> None:
        """Keep the points of a clip that was cut, for `take`."""
        self._ready = (cut, points, now)

    def take(self) -> tuple[Sequence[Envelope], Loss | None]:
        """The points of the recorded clip, no longer owed, and what was lost of it."""
        if self._ready is None:
            return (), None
        cut, points, now = self._ready
        self._ready, self._is_cutting = None, False
        self._owed.pop(0)
        self._spent, self._hour = self._spent_in(now) + len(cut.samples), now // HOUR
        if cut.loss is not None:
            # A verdict may ask for it in an hour that has room.
            gone = set(cut.clip.alerts)
            self._clipped = deque((i for i in self._clipped if i not in gone), REMEMBERED)
        elif cut.clip.asked != UNCLEAR:
            # What a verdict asks for lies before what was sent since.
            self._sent_until |= dict.fromkeys(cut.clip.tags, cut.clip.until)
        # What lies before this clip lies before all that follow.
        self._sent_until = {t: u for t, u in self._sent_until.items() if u >= cut.clip.since}
        counts = {"found": cut.found, "sent": len(cut.samples)}
        self._counts.update(counts | {"left_out" if cut.loss else "cut": 1})
        return points, cut.loss

    def facts(self) -> dict[str, int]:
        """Clips that are owed; since the start those cut and left out; samples found and sent."""
        names = ("cut", "left_out", "found", "sent")
        asked = {"unclear": f"asked_{UNCLEAR}", "near_misses": f"asked_{NEAR_MISS}"}
        counts = {name: self._counts[name] for name in names}
        return {
            "owed": len(self._owed),
            **counts,
            **{name: self._counts[key] for name, key in asked.items()},
        }

    def checkpoint(self) -> bytes:
        """Everything that `restore` takes."""
        state = {
            "owed": [asdict(clip) for clip in self._owed],
            "sent_until": self._sent_until,
            "hour": self._hour,
            "spent": self._spent,
            "clipped": list(self._clipped),
        }
        return json.dumps(state, sort_keys=True).encode()

    def restore(self, state: bytes) -> None:
        """Go on owing what the last run owed."""
        known = json.loads(state)
        self._owed = [Clip(**{**clip, "note": "restart"}) for clip in known["owed"]]
        self._sent_until = known["sent_until"]
        self._hour, self._spent = known["hour"], known["spent"]
        self._clipped.extend(known.get("clipped", ()))


def _note(notes: Sequence[str]) -> str:
    return ",".join(note for note in notes if note)
