"""Settings without the effect that they seem to have: a limit that nothing can pass, a store that
holds nothing.

Promises
- Each is a problem at its own key and says why. What loses data is an error, the rest a warning.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

from gateway.api.conditions import parse_condition
from gateway.api.model import SECOND, Tag
from gateway.api.options import LONGEST, format_duration, format_size
from gateway.config.document import Document, Where
from gateway.config.maintenance import maintenance_problems
from gateway.config.problems import Problem
from gateway.config.schema import LineFileBase

LEAST_BYTES = 1024 * 1024
"""A buffer or history of less holds nothing worth keeping."""
LEAST_FILE = 16 * 1024
LONG_LATENESS = 600 * SECOND
_UPPER, _LOWER = ("high_high", "high"), ("low", "low_low")


def without_effect(document: Document, file: LineFileBase, tags: Sequence[Tag]) -> list[Problem]:
    """All of them for a line file that is valid otherwise."""
    by_name = {tag.name: tag for tag in tags}
    found = chain(
        _stores(document, file),
        _times(document, file, tags),
        _same_sinks(document, file),
        _limits(document, file, by_name),
        _gates(document, file, by_name),
        _names(document, tags),
        _never_frozen(document, tags),
        maintenance_problems(document, file, by_name),
    )
    return list(found)


def _warning(document: Document, where: Where, message: str, hint: str = "") -> Problem:
    return document.problem(where, message, hint, at="value", level="warning")


def _stores(document: Document, file: LineFileBase) -> Iterator[Problem]:
    for part, section in (
        ("buffer", file.buffer),
        ("journal", file.journal),
        ("history", file.history),
    ):
        if section is not None and section.max_bytes < LEAST_BYTES:
            message = f"{format_size(section.max_bytes)} is too small to keep anything"
            hint = f"at least {format_size(LEAST_BYTES)}"
            yield document.problem((part, "max_bytes"), message, hint, at="value")
    for name, options in file.sinks.items():
        size = getattr(options, "max_bytes", None)
        if isinstance(size, int) and size < LEAST_FILE:
            message = f"{format_size(size)} is too small for a file of points"
            hint = f"at least {format_size(LEAST_FILE)}"
            yield document.problem(("sinks", name, "max_bytes"), message, hint, at="value")
    if document.get("state") == "":
        message = "is empty"
        hint = "name a folder, or leave it out"
        yield document.problem(("state",), message, hint, at="value")


def _times(document: Document, file: LineFileBase, tags: Sequence[Tag]) -> Iterator[Problem]:
    every, history = file.summaries.every, file.history
    if every > file.buffer.max_age:
        age = format_duration(file.buffer.max_age)
        message = f"a summary of {format_duration(every)} is older than buffer.max_age ({age})"
        yield _warning(document, ("summaries", "every"), message, "it may be dropped unsent")
    fastest = min((tag.period for tag in tags), default=0)
    if every < fastest:
        message = f"shorter than the period of every tag ({format_duration(fastest)})"
        hint = "each summary is then of one sample, and costs more than the sample"
        yield _warning(document, ("summaries", "every"), message, hint)
    slowest = max((tag.period for tag in tags), default=0)
    for key in ("hold_periods", "stale_periods"):
        if slowest * getattr(file.timing, key) > LONGEST:
            message = f"longer than {format_duration(LONGEST)} for a tag of the slowest period"
            yield document.problem(("timing", key), message, at="value")
    if history is not None and history.flush > history.max_age:
        message = f"longer than history keeps samples ({format_duration(history.max_age)})"
        yield _warning(document, ("history", "flush"), message)
    if file.timing.lateness > LONG_LATENESS:
        late = format_duration(file.timing.lateness)
        message = f"every alarm comes {late} late: windows are judged only then"
        yield _warning(document, ("timing", "lateness"), message)


def _same_sinks(document: Document, file: LineFileBase) -> Iterator[Problem]:
    # A sink of the site file has no place in this one.
    own = [name for name in file.sinks if document.is_written(("sinks", name))]
    for first, second in combinations(own, 2):
        if same := _same_file(file.sinks[first], file.sinks[second]):
            message = f"{same} is written by {first} too: each sink needs its own file"
            yield document.problem(("sinks", second, "path"), message, at="value")
        elif file.sinks[first] == file.sinks[second]:
            message = f"the same as {first}: every point is sent there twice"
            yield _warning(document, ("sinks", second), message)
        elif same := _same_topics(file.sinks[first], file.sinks[second]):
            yield _warning(document, ("sinks", second), same.format(first=first))


def _same_file(one: Any, other: Any) -> str:
    """The file that two sinks of type file would write or rotate; empty if there is none."""
    if not one.type == other.type == "file":
        return ""
    files, others = ({str(path) for path in _files(each)} for each in (one, other))
    return min(files & others, default="")


def _same_topics(one: Any, other: Any) -> str:
    """What two sinks of type mqtt would both publish at one broker; empty if nothing."""
    if not one.type == other.type == "mqtt" or one.payload != other.payload:
        return ""
    if (one.host, one.resolved_port) != (other.host, other.resolved_port):
        return ""
    if one.payload == "sparkplug":
        is_same = (one.group, one.node) == (other.group, other.node)
        return "the same edge node as {first}: give it another `node`" if is_same else ""
    if one.states and other.states and one.prefix == other.prefix:
        return (
            "publishes the same states and status as {first}: give it another `prefix`, "
            "or `states: false`"
        )
    return ""


def _files(options: Any) -> Iterator[str]:
    path = os.path.normpath(options.path)
    yield path
    yield from (f"{path}.{number}" for number in range(1, options.keep + 1))


def _limits(document: Document, file: LineFileBase, tags: Mapping[str, Tag]) -> Iterator[Problem]:
    for detector, options in file.detectors.items():
        limits = getattr(options, "tags", None)
        for name, limit in limits.items() if isinstance(limits, Mapping) else ():
            where: Where = ("detectors", detector, "tags", name)
            if name in tags:
                yield from _unreachable(document, where, limit, tags[name])
            yield from _never_cleared(document, where, limit)


def _unreachable(document: Document, where: Where, limit: Any, tag: Tag) -> Iterator[Problem]:
    for key in (*_UPPER, *_LOWER):
        value = getattr(limit, key, None)
        bound = tag.high if key in _UPPER else tag.low
        if not isinstance(value, int | float) or bound is None:
            continue
        if value >= bound if key in _UPPER else value <= bound:
            side = "above" if key in _UPPER else "below"
            message = (
                f"this alarm is never raised: a value of {tag.name} {side} {bound:g} is bad, not "
                f"{side} {value:g}"
            )
            hint = f"see `{'high' if key in _UPPER else 'low'}` of the tag"
            yield _warning(document, (*where, key), message, hint)


def _never_cleared(document: Document, where: Where, limit: Any) -> Iterator[Problem]:
    upper, lower, back = (getattr(limit, key, None) for key in ("high", "low", "hysteresis"))
    if upper is not None and lower is not None and back and back >= upper - lower:
        message = f"as wide as the range from low ({lower:g}) to high ({upper:g})"
        hint = "an alarm of one limit then ends only beyond the other"
        yield _warning(document, (*where, "hysteresis"), message, hint)


def _gates(document: Document, file: LineFileBase, tags: Mapping[str, Tag]) -> Iterator[Problem]:
    for detector, options in file.detectors.items():
        for text in getattr(options, "when", None) or ():
            condition = parse_condition(text)
            tag = tags.get(condition.tag)
            if tag is not None and (bound := _excluding(condition, tag)):
                message = f"{text!r} never holds, so this detector judges nothing: {bound} is bad"
                yield _warning(document, ("detectors", detector, "when"), message)


def _excluding(condition: Any, tag: Tag) -> str:
    """The bound of a tag that a condition contradicts; empty if there is none."""
    low, high, number = tag.low, tag.high, condition.number
    above = condition.operator in (">", ">=", "==")
    below = condition.operator in ("<", "<=", "==")
    if (
        above
        and high is not None
        and (number > high or (number == high and condition.operator == ">"))
    ):
        return f"a value of {tag.name} above {high:g}"
    if (
        below
        and low is not None
        and (number < low or (number == low and condition.operator == "<"))
    ):
        return f"a value of {tag.name} below {low:g}"
    return ""


def _names(document: Document, tags: Iterable[Tag]) -> Iterator[Problem]:
    for tag in tags:
        where: Where = ("sources", tag.source, "tags", tag.name, "enumeration")
        names = document.get(*where)
        if not isinstance(names, dict):
            continue
        first: dict[float, str] = {}
        for name, number in names.items():
            if first.setdefault(number, name) != name:
                message = f"never shown: {number:g} is {first[number]} already"
                yield _warning(document, (*where, name), message)
            elif not _is_within(number, tag):
                message = f"never shown: {number:g} is out of the tag's bounds, so it is bad"
                yield _warning(document, (*where, name), message)


def _never_frozen(document: Document, tags: Iterable[Tag]) -> Iterator[Problem]:
    for tag in tags:
        if 0 < tag.frozen_after < 2 * tag.period:
            period = format_duration(tag.period)
            message = f"shorter than two periods of {tag.name} ({period} each)"
            hint = "an alarm is raised then before a value could change"
            where: Where = ("sources", tag.source, "tags", tag.name, "frozen_after")
            yield document.problem(where, message, hint, at="value")


def _is_within(number: float, tag: Tag) -> bool:
    return (tag.low is None or number >= tag.low) and (tag.high is None or number <= tag.high)
