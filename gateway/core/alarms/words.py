"""What alarms say to people: one place for status, log, panel, InfluxDB, MQTT and mail. Pure.

Promises
- A limit is told with the value, its unit and the limit as people know them; a model with its tags,
  what they are and what was expected. Scores and thresholds of models are in the fields of the
  alert, not in its sentence.
- Every text is one of TEXTS, so that a language file can replace it; the line file's own titles,
  phrases and advice, and the reasons that devices give, are shown as they are.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Alarm, AlarmState, Nanos, Severity, Tag, TopTag, Transition
from gateway.api.wording import number
from gateway.core.alarms.condition import CHATTERING, CHATTERING_SPAN, QUIET
from gateway.core.durations import spell_roughly

TEXTS = {
    "high_high": "{tag} very high",
    "high": "{tag} high",
    "low": "{tag} low",
    "low_low": "{tag} very low",
    "rate_of_change": "{tag} changes fast",
    "flat_line": "{tag} does not change",
    "anomaly": "{line} unlike its normal running",
    "lost": "{part} lost",
    "no_data": "{part} without data",
    "out_of_specification": "{part} out of specification",
    "check_function": "{part}: check the function",
    "maintenance_required": "{part} needs maintenance",
    "input_drift": "Inputs of {part} unlike those that it was trained with",
    "score_drift": "Scores of {part} unlike those that it was trained with",
    "blindness": "{part} blind too often",
    "flood": "Alarm flood",
    "beyond a limit": "{alarm}: {value}, limit {limit}",
    "too fast": "{alarm}: {value} per second, limit {limit} per second",
    "frozen": "{alarm}: the same value for {value} s, limit {limit} s",
    "since": "{said}, since {since}",
    "unusual": "{line} behaves unlike its normal running",
    "causes": "{alarm}: {tags}",
    "cause": "{tag} {share} % ({value}, expected {expected})",
    "cause without expectation": "{tag} {share} % ({value})",
    "cause without value": "{tag} {share} %",
    "raised lost": "{part} is lost: no usable data from any of its {of} tags ({tags})",
    "raised lost alone": "{part} is lost: no usable data from its only tag ({tags})",
    "raised no_data": "{value} of {of} tags of {part} without usable data ({tags})",
    "raised out_of_specification": "{value} of {of} tags of {part} out of specification ({tags})",
    "raised check_function": "{value} of {of} tags of {part} to be checked ({tags})",
    "raised maintenance_required": "{value} of {of} tags of {part} need maintenance ({tags})",
    "raised flood": "Alarm flood: {value} alarms within 10 minutes; "
    "begin with the first of them: {first}",
    "returned": "{alarm}: returned to normal after {after}",
    "returned latched": "{alarm}: its condition is gone after {after}; latched until it is reset",
    "acknowledged": "{alarm}: acknowledged by {by}",
    "realarmed": "{alarm}: still active after {after}",
    "escalated": "{alarm}: not acknowledged after {after}",
    "reset": "{alarm}: reset by {by}",
    "suppressed": "{alarm}: suppressed by design after {after}: {why}",
    "unsuppressed": "{alarm}: no longer suppressed by design",
    "shelved": "{alarm}: shelved by {by} until {until}",
    "shelved once": "{alarm}: shelved by {by} until it returns to normal",
    "unshelved": "{alarm}: no longer shelved",
    "taken_out_of_service": "{alarm}: taken out of service by {by}",
    "returned_to_service": "{alarm}: returned to service by {by}",
    "removed": "{alarm}: ended",
    "commented": "{alarm}: {by} says",
    "commented_real": "{alarm}: a real fault, says {by}",
    "commented_false": "{alarm}: a false alarm, says {by}",
    "commented_unclear": "{alarm}: unclear, says {by}",
    "chattering": "{said}. Chattering: {count} times in {span}, "
    "held until it has been quiet for {quiet}",
    "reason": "{said}: {reason}",
    "advice": "{said}; {advice}",
    "advice input_drift": "retrain it on recent normal running",
    "advice score_drift": "retrain it on recent normal running",
    "advice blindness": "see which of its tags are late, stale or bad",
    "state normal": "normal",
    "state unacknowledged": "active, not acknowledged",
    "state acknowledged": "active, acknowledged",
    "state returned_unacknowledged": "returned, not acknowledged",
    "state latched_unacknowledged": "latched, not acknowledged",
    "state latched_acknowledged": "latched, acknowledged",
    "state shelved": "shelved",
    "state suppressed_by_design": "suppressed by design",
    "state out_of_service": "out of service",
    "severity low": "low",
    "severity medium": "medium",
    "severity high": "high",
    "severity critical": "critical",
    "status normal": "normal",
    "status maintenance_required": "maintenance required",
    "status out_of_specification": "out of specification",
    "status check_function": "check function",
    "status failure": "failure",
    "decimal point": ".",
}
"""The texts by what they say, in English. Families begin with their name: `raised` (the message
of a kind of alarm instead of the usual one), `advice`, `state`, `severity`, and `status`
(of a sensor)."""
LEAST_SHARE = 0.05
MOST_TAGS = 3
"""A sentence names so many tags at most, and none of less than this share; the fields have all."""
NE107 = ("normal", "maintenance_required", "out_of_specification", "check_function", "failure")
_CHATTERING = {
    "count": str(CHATTERING),
    "span": f"{CHATTERING_SPAN // SECOND} s",
    "quiet": f"{QUIET // SECOND} s",
}
DIGITS = 4
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


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
            "ne107": {key: self.status(key) for key in NE107},
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


def filled(text: str, **values: str) -> str:
    """A text with its placeholders replaced.

    Not str.format: a text with other braces must not fail where an alarm is raised.
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


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
