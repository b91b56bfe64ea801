"""Which alarm follows from which: a source that is lost, a machine that is stopped. Pure.

Promises
- An alarm that the line file names in `caused_by` is upstream of those that name it.
- While a source is lost, its other sensor alarms follow from that, and so does the blindness of the
  models that use one of its tags; from `no_data` follow the alarms of the tags that it names.
- While an alarm says that a machine does not run, the alarms of the models that score only while it
  runs follow from it: the alarm is a limit on a tag of the model's `when`, and beyond that limit
  `when` cannot hold.
- A process alarm never follows from a lost source: it comes from good data alone. A flood neither
  follows from an alarm nor is the cause of one.
- What is upstream is known from the line file alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.api.alarms import Alarm
from gateway.api.conditions import Condition, parse_condition
from gateway.api.contracts import Detector
from gateway.api.model import Tag
from gateway.core.alarms.flood import DETECTOR as FLOODS
from gateway.core.drift import DETECTOR as MODELS
from gateway.core.freshness import DETECTOR as DATA

_LIMITS = frozenset(("high_high", "high", "low", "low_low"))
"""Kinds of alarms whose threshold is a value of their tag."""


@dataclass(frozen=True)
class Structure:
    """The parts of a line: the tags of each source and of each detector, and the conditions under
    which a detector scores at all.
    """

    sources: Mapping[str, Collection[str]] = field(default_factory=dict)
    detectors: Mapping[str, Collection[str]] = field(default_factory=dict)
    gates: Mapping[str, Sequence[Condition]] = field(default_factory=dict)


def structure(
    tags: Sequence[Tag], detectors: Mapping[str, Detector], options: Mapping[str, object]
) -> Structure:
    """The structure of a line from its tags, its detectors and their options."""
    sources = dict.fromkeys(tag.source for tag in tags)
    return Structure(
        {source: [tag.name for tag in tags if tag.source == source] for source in sources},
        {name: detector.spec.tags for name, detector in detectors.items()},
        # Not every detector has a gate.
        {
            name: [parse_condition(text) for text in getattr(each, "when", None) or ()]
            for name, each in options.items()
        },
    )


class Upstream(NamedTuple):
    """An alarm from which another one may follow, as 'data.plc.lost'."""

    alarm: str
    naming: frozenset[str] = frozenset()
    """If not empty: only while the upstream alarm names one of these tags."""


def upstream(
    structure: Structure, alarms: Mapping[str, Sequence[Alarm]]
) -> Mapping[str, Sequence[Upstream]]:
    """By alarm, as in 'guard.flow.low': those that it may follow from, the likeliest first.

    `alarms` are given for each detector.
    """
    found = {
        f"{detector}.{alarm.name}": _upstream_of(structure, alarms, detector, alarm)
        for detector, each in alarms.items()
        for alarm in each
        if detector != FLOODS
    }
    return {name: causes for name, causes in found.items() if causes}


def _upstream_of(
    structure: Structure, alarms: Mapping[str, Sequence[Alarm]], detector: str, alarm: Alarm
) -> Sequence[Upstream]:
    part, _, kind = alarm.name.rpartition(".")
    causes = [Upstream(name) for name in alarm.caused_by]
    if detector == DATA:
        if part in structure.sources and kind != "lost":
            causes.append(Upstream(f"{DATA}.{part}.lost"))
        if alarm.tag is not None:
            causes += _dead(structure, {alarm.tag})
    elif detector == MODELS:
        causes += _stopped(structure, alarms, part)
        if kind == "blindness":
            causes += _dead(structure, structure.detectors.get(part, ()))
    else:
        causes += _stopped(structure, alarms, detector)
    own = f"{detector}.{alarm.name}"
    return [cause for cause in causes if cause.alarm != own]


def _dead(structure: Structure, tags: Collection[str]) -> Iterator[Upstream]:
    """The alarms of the sources of these tags."""
    for source, its in structure.sources.items():
        shared = frozenset(its).intersection(tags)
        if shared:
            yield Upstream(f"{DATA}.{source}.lost")
            yield Upstream(f"{DATA}.{source}.no_data", shared)


def _stopped(
    structure: Structure, alarms: Mapping[str, Sequence[Alarm]], detector: str
) -> Iterator[Upstream]:
    """The alarms that say that this detector's machine does not run."""
    for condition in structure.gates.get(detector, ()):
        for other, each in alarms.items():
            for alarm in each:
                if other != detector and excludes(alarm, condition):
                    yield Upstream(f"{other}.{alarm.name}")


def excludes(alarm: Alarm, condition: Condition) -> bool:
    """Whether a condition cannot hold at any value of its tag beyond the alarm's limit."""
    if alarm.tag != condition.tag or alarm.name.rpartition(".")[2] not in _LIMITS:
        return False
    if alarm.below:
        return condition.operator in (">", ">=", "==") and alarm.threshold <= condition.number
    return condition.operator in ("<", "<=", "==") and alarm.threshold >= condition.number
