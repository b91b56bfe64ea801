"""What alarms say to people: one place for status, log, panel, InfluxDB, MQTT and mail. Pure.

Promises
- The message of a limit has the value, its unit and the limit as people know them; that of a model
  has its tags, their values and what was expected. Scores and thresholds of models are in the
  fields of the alert, not in its sentence.
- Every text is one of TEXTS, so that a language file can replace it; the line file's own titles,
  phrases and advice, and the reasons that devices give, are shown as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from gateway.api.alarms import Alarm, AlarmState, Severity, TopTag, Transition
from gateway.api.durations import spell_roughly
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos, Tag
from gateway.api.wording import number
from gateway.core.alarms.condition import CHATTERING, CHATTERING_SPAN, QUIET
from gateway.core.alarms.texts import TEXTS, filled
from gateway.core.device_status import DeviceStatus

LEAST_SHARE = 0.05
MOST_TAGS = 3
"""A sentence names so many tags at most, and none of less than this share; the fields have all."""
_NE107 = [each.name.lower() for each in DeviceStatus]
_CHATTERING = {
    "count": str(CHATTERING),
    "span": f"{CHATTERING_SPAN // SECOND} s",
    "quiet": f"{QUIET // SECOND} s",
}
DIGITS = 4


@dataclass(frozen=True)
class Occasion:
    """What a sentence is about, besides the alarm: as far as it is known."""

    value: float
    tags: Sequence[TopTag] = ()
    count: int = 0
    """How many tags are meant; more than `tags` where only the first are named."""
    since: Nanos = 0
    after: Nanos = 0
    by: str = ""
    why: str = ""
    until: Nanos | None = None
    verdict: str = ""
    chattering: bool = False


@dataclass(frozen=True)
class Words:
    """The sentences of one line. `time` gives a time in a form of strftime, as people read it."""

    line: str = ""
    tags: Mapping[str, Tag] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=lambda: TEXTS)
    time: Callable[[Nanos, str], str] = local_time

    def title(self, alarm: Alarm) -> str:
        """The alarm's name for people: 'Bearing temperature high'."""
        if alarm.title:
            return alarm.title
        part, _, kind = alarm.name.rpartition(".")
        text = self.texts.get(kind, alarm.name)
        if ("{tag}" in text and not alarm.tag) or ("{part}" in text and not part):
            # Another's alarm of that name, which is about nothing that the text could name.
            return alarm.name
        return filled(text, tag=self._label(alarm.tag or ""), line=self._line, part=part)

    def advice(self, alarm: Alarm) -> str:
        """What to do about it; empty if there is no advice."""
        return alarm.advice or self.texts.get(f"advice {alarm.name.rpartition('.')[2]}", "")

    def state(self, state: AlarmState) -> str:
        """A state as people read it: 'active, not acknowledged'."""
        return self.texts[f"state {state}"]

    def severity(self, severity: Severity) -> str:
        """A severity as people read it."""
        return self.texts[f"severity {severity}"]

    def status(self, ne107: str) -> str:
        """A sensor's class of NAMUR NE 107 as people read it."""
        return self.texts[f"status {ne107}"]

    def say(self, alarm: Alarm, transition: Transition, occasion: Occasion) -> str:
        """One sentence about a transition."""
        if transition in (Transition.RAISED, Transition.UPDATED):
            said, advice = self._raised(alarm, occasion), self.advice(alarm)
            if occasion.chattering:
                said = filled(self.texts["chattering"], said=said, **_CHATTERING)
            return filled(self.texts["advice"], said=said, advice=advice) if advice else said
        key = str(transition)
        if transition is Transition.SHELVED and occasion.until is None:
            key = "shelved once"
        if transition is Transition.RETURNED and alarm.latch:
            key = "returned latched"
        if transition is Transition.COMMENTED and occasion.verdict:
            key = f"commented_{occasion.verdict}"
        said = filled(
            self.texts[key],
            alarm=self.title(alarm),
            after=spell_roughly(occasion.after),
            by=occasion.by,
            why=occasion.why,
            until="" if occasion.until is None else self.time(occasion.until, "%Y-%m-%d %H:%M"),
        )
        if occasion.why and "{why}" not in self.texts[key]:
            return filled(self.texts["reason"], said=said, reason=occasion.why)
        return said

    def names(self) -> Mapping[str, Mapping[str, str]]:
        """The names of all states, severities and classes of NE 107, for other programs."""
        return {
            "state": {state.value: self.state(state) for state in AlarmState},
            "severity": {severity.value: self.severity(severity) for severity in Severity},
            "ne107": {key: self.status(key) for key in _NE107},
        }

    def measured(self, top: Sequence[TopTag]) -> tuple[TopTag, ...]:
        """These tags with the units of their values."""
        return tuple(
            replace(each, unit=self.tags[each.tag].unit) if each.tag in self.tags else each
            for each in top
        )

    def causes(self, top: Sequence[TopTag], *, more: bool = False) -> str:
        """The tags that caused an alarm: with values and shares, or with the reason of each.

        `more` if others are left out.
        """
        if any(tag.reason for tag in top):
            return named(top, more=more)
        return ", ".join(map(self._cause, top))

    def _raised(self, alarm: Alarm, occasion: Occasion) -> str:
        tag = self.tags.get(alarm.tag or "")
        values = {
            "alarm": self.title(alarm),
            "value": self._quantity(occasion.value, tag),
            "limit": self._quantity(alarm.threshold, tag),
            "since": self.time(occasion.since, "%H:%M:%S") if occasion.since else "",
            "tags": self.causes(_telling(occasion.tags), more=occasion.count > len(occasion.tags)),
            "part": alarm.name.rpartition(".")[0],
            "of": str(len(alarm.scope or ())),
        }
        kind = alarm.name.rpartition(".")[2]
        if alarm.tag is None or kind == "flat_line":
            # Tags that are counted, a score or seconds: nothing with the unit of a tag.
            values["value"] = self._number(occasion.count or occasion.value)
            values["limit"] = self._number(alarm.threshold)
        phrase = alarm.phrase or self._own_phrase(alarm, kind)
        if phrase:
            return filled(phrase, **values)
        if alarm.tag is None:
            if kind == "anomaly" and not alarm.title:
                values["alarm"] = filled(self.texts["unusual"], line=self._line)
            return filled(self.texts["causes"], **values) if values["tags"] else values["alarm"]
        if kind == "flat_line":
            return filled(self.texts["frozen"], **values)
        text = "too fast" if kind == "rate_of_change" else "beyond a limit"
        said = filled(self.texts[text], **values)
        return filled(self.texts["since"], **values, said=said) if occasion.since else said

    def _own_phrase(self, alarm: Alarm, kind: str) -> str:
        """The message of an alarm of andon's own; empty if there is none for it."""
        said = self.texts.get(f"raised {kind}", "")
        return self.texts.get(f"raised {kind} alone", said) if len(alarm.scope or ()) == 1 else said

    def _cause(self, top: TopTag) -> str:
        tag = self.tags.get(top.tag)
        text = "cause" if top.expected is not None else "cause without expectation"
        return filled(
            self.texts[text if top.actual is not None else "cause without value"],
            tag=self._mention(top.tag),
            share=f"{100 * top.share:.0f}",
            value="" if top.actual is None else self._quantity(top.actual, tag),
            expected="" if top.expected is None else self._plain(top.expected, tag),
        )

    def _quantity(self, value: float, tag: Tag | None) -> str:
        """A value with its unit, or the name of an enumeration's value: '87.2 °C', 'jammed'."""
        name = tag.name_of(value) if tag else ""
        return name or f"{self._number(value)} {tag.unit if tag else ''}".rstrip()

    def _plain(self, value: float, tag: Tag | None) -> str:
        """The same without the unit, where it has just been given."""
        return (tag.name_of(value) if tag else "") or self._number(value)

    def _number(self, value: float) -> str:
        return number(value, DIGITS).replace(".", self.texts["decimal point"])

    @property
    def _line(self) -> str:
        return spoken(self.line) or "The line"

    def _label(self, name: str) -> str:
        """A tag at the start of a sentence."""
        return self._description(name) or spoken(name)

    def _mention(self, name: str) -> str:
        """A tag within a sentence."""
        return self._description(name) or name.replace("_", " ")

    def _description(self, name: str) -> str:
        tag = self.tags.get(name)
        return tag.description if tag else ""


def _telling(top: Sequence[TopTag]) -> Sequence[TopTag]:
    """The tags that a sentence names: all that have a reason, of others the few that matter."""
    if any(tag.reason for tag in top):
        return top
    return [tag for tag in top[:MOST_TAGS] if tag.share >= LEAST_SHARE] or top[:1]


def spoken(name: str) -> str:
    """A name of the line file as people would write it: 'Bearing temperature de', 'Press 3'."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def named(top: Sequence[TopTag], *, more: bool) -> str:
    """The tags with their reasons, as in 'flow, speed: timeout; oil: exception 2'.

    `more` if others are left out.
    """
    tags = sorted(top, key=lambda tag: tag.reason)
    # The order of the causes is kept within a reason, and the first cause's reason comes first.
    first = {tag.reason: number for number, tag in reversed(list(enumerate(top)))}
    groups = sorted(
        ((reason, [tag.tag for tag in same]) for reason, same in groupby(tags, lambda t: t.reason)),
        key=lambda group: first[group[0]],
    )
    if more and groups:
        groups[-1][1].append("…")
    return "; ".join(
        ", ".join(names) + (f": {reason}" if reason else "") for reason, names in groups
    )
