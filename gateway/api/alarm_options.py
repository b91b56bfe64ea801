"""Building blocks for the options of alarms: of detectors, and of the tags and alarms below them.

Promises
- What is wrong is refused with what would be right, before a line starts.
"""

import re
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from gateway.api.alarms import Severity
from gateway.api.mistakes import quoted
from gateway.api.options import Duration, Quoted, Strict, Text

_N_OF_M = re.compile(r"(\d{1,9})\s+of\s+(\d{1,9})")
MOST_SCORES = 100
"""The most scores that an alarm is raised by."""
PHRASE_PLACEHOLDERS = ("alarm", "value", "limit", "since", "tags")


def _parse_n_of_m(given: object) -> tuple[int, int]:
    """'3 of 5' or [3, 5] -> (3, 5); ValueError with what would be right otherwise."""
    match = _N_OF_M.fullmatch(given.strip()) if isinstance(given, str) else None
    pair = [int(part) for part in match.groups()] if match else given
    if (
        not isinstance(pair, list | tuple)
        or len(pair) != 2
        or any(type(n) is not int for n in pair)
    ):
        raise ValueError(f"{quoted(given)} is not a count of scores: write it as in 3 of 5")
    wanted, last = pair
    if not 1 <= wanted <= last <= MOST_SCORES:
        raise ValueError(
            f"{wanted} of {last} is not possible: the first number is at least 1 and at most the "
            f"second, and the second at most {MOST_SCORES}"
        )
    return wanted, last


NofM = Annotated[
    tuple[int, int],
    BeforeValidator(_parse_n_of_m),
    PlainSerializer(
        lambda pair: f"{pair[0]} of {pair[1]}", return_type=str, when_used="json-unless-none"
    ),
    Quoted(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+\s+of\s+\d+$"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": MOST_SCORES},
                    "minItems": 2,
                    "maxItems": 2,
                },
            ]
        }
    ),
]
"""N of the last M scores, as in 3 of 5."""


def _known_placeholders(text: str) -> str:
    unknown = [name for name in re.findall(r"\{(\w*)\}", text) if name not in PHRASE_PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in PHRASE_PLACEHOLDERS)
        raise ValueError(f"has no placeholder {{{unknown[0]}}}: it may contain {known}")
    return text


Phrase = Annotated[Text, AfterValidator(_known_placeholders)]
"""A line for people with placeholders, as `Alarm.phrase` has."""


_ALARM = r"^[^.\s]+(\.[^.\s]+)+$"
_MOST_CAUSES = 20


def _alarm_names(given: object) -> object:
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or len(names) > _MOST_CAUSES:
        raise ValueError(f"must be an alarm, or a list of at most {_MOST_CAUSES}")
    for name in names:
        if not isinstance(name, str) or not re.match(_ALARM, name):
            raise ValueError(
                f"{quoted(name)} is not an alarm: write its detector and its name, as in "
                "guard.speed.low or data.plc.lost"
            )
    return tuple(names)


_ONE_ALARM = {"type": "string", "pattern": _ALARM}
AlarmNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_alarm_names),
    WithJsonSchema(
        {"anyOf": [_ONE_ALARM, {"type": "array", "items": _ONE_ALARM, "maxItems": _MOST_CAUSES}]}
    ),
]
"""Alarms as detector and alarm, as in guard.speed.low; one of them needs no list."""


def _one_of_both(given: set[str]) -> None:
    if {"n_of_m", "on_delay"} <= given:
        raise ValueError(
            "n_of_m and on_delay both say when an alarm is raised: give only one of them"
        )


class AlarmOptions(Strict):
    """How a detector's alarms behave in time."""

    severity: Severity = Severity.MEDIUM
    """low, medium, high or critical."""
    on_delay: Duration = 0
    """How long the condition must hold before the alarm is raised."""
    off_delay: Duration = 0
    """How long the condition must be gone before the alarm returns to normal."""
    n_of_m: NofM | None = None
    """Raise the alarm when so many of the last scores are beyond the limit, as in 3 of 5, instead
    of `on_delay`."""
    minimum_duration: Duration = 0
    """How long the alarm is active at least."""
    realarm_after: Duration = 0
    """Announce the alarm again each time it has been active for this long; 0s: never."""
    latch: bool = False
    """Whether the alarm stays, after its condition has gone, until a person resets it."""
    advice: Text | None = None
    """What to do about it, for people; added to the message."""
    caused_by: AlarmNames = ()
    """The alarms from which this one follows while one of them is active, as in guard.speed.low:
    it is then shown below that one and is no part of an alarm flood."""

    @model_validator(mode="after")
    def _one_way_to_raise(self) -> Self:
        _one_of_both(self.model_fields_set)
        return self


class AlarmOverrides(Strict):
    """The same for some of a detector's alarms: what is not given is as for the others."""

    severity: Severity | None = None
    """low, medium, high or critical."""
    on_delay: Duration | None = None
    """How long the condition must hold before the alarm is raised."""
    off_delay: Duration | None = None
    """How long the condition must be gone before the alarm returns to normal."""
    n_of_m: NofM | None = None
    """Raise the alarm when so many of the last scores are beyond the limit, as in 3 of 5, instead
    of `on_delay`."""
    minimum_duration: Duration | None = None
    """How long the alarm is active at least."""
    realarm_after: Duration | None = None
    """Announce the alarm again each time it has been active for this long; 0s: never."""
    latch: bool | None = None
    """Whether the alarm stays, after its condition has gone, until a person resets it."""
    advice: Text | None = None
    """What to do about it, for people; added to the message."""
    caused_by: AlarmNames | None = None
    """The alarms from which this one follows while one of them is active, as in guard.speed.low."""

    @model_validator(mode="after")
    def _one_way_to_raise(self) -> Self:
        _one_of_both(self.model_fields_set)
        return self
