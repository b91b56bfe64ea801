"""Checks of the paths, formats and zones in an MQTT tag's options (pure).

Each raises ValueError with what would be right.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connectors.mqtt.paths import Every, Where, parse_path
from connectors.mqtt.payloads import RelativePath, relative_path
from connectors.mqtt.times import FORMATS

_PARTS = (
    ("the year", ("%Y", "%y", "%c", "%x")),
    ("the month", ("%m", "%b", "%B", "%j", "%c", "%x")),
    ("the day", ("%d", "%j", "%c", "%x")),
    ("the hour", ("%H", "%I", "%c", "%X")),
)


class CannotBeRelativeError(ValueError):
    """A path of a time or a quality that selects elements of its own."""


def checked_path(path: str) -> str:
    """The path, if it can be read."""
    parse_path(path)
    return path


def beside(path: str, value: str, *, may_be_column: bool) -> RelativePath:
    """Where a time, a quality or an error is, given the path of its value."""
    steps = parse_path(value)
    relative = relative_path(parse_path(path), steps, is_pointer=path.startswith("/"))
    fixed = relative.path
    if relative.has_one_for_each and may_be_column:
        if not steps or not isinstance(steps[-1], Every):
            raise CannotBeRelativeError(
                "a list of times belongs to a list of values: end `path` with [*] too"
            )
        fixed = fixed[:-1]
    if any(isinstance(step, Where | Every) for step in fixed):
        raise CannotBeRelativeError(
            "selects an element of its own: write it as seen from the element that `path` selects, "
            "or begin as `path` does"
        )
    return relative


def checked_time_format(form: str) -> str:
    """One of the formats, or a pattern of strptime that has a date and a time of day."""
    if form in FORMATS:
        return form
    if "%" not in form:
        raise ValueError(
            f"must be one of {', '.join(FORMATS)}, or a pattern such as %d.%m.%Y %H:%M:%S"
        )
    given = set(re.findall(r"%.", form.replace("%%", "")))
    if "%Z" in given:
        raise ValueError(
            "%Z would take the name of any zone for that of `timezone`: write %z for offsets such "
            "as +0100, or a name that is always the same as text, as in %H:%M:%S UTC"
        )
    if "%I" in given and "%p" not in given:
        raise ValueError("%I is an hour of 1 to 12: add %p for AM and PM, or write %H")
    missing = [name for name, codes in _PARTS if not given.intersection(codes)]
    if missing:
        raise ValueError(f"the pattern has no place for {', '.join(missing)}")
    try:
        datetime.strptime(datetime.now(UTC).strftime(form), form)  # noqa: DTZ007 - only tried
    except ValueError as error:
        raise ValueError(f"is not a pattern of strptime: {error}") from error
    return form


def checked_zone(name: str) -> str:
    """The name of a time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # an unknown one is a KeyError
        why = "is not a time zone of this machine: write its IANA name, as in Europe/Berlin"
        raise ValueError(f"{name} {why}") from error
    return name
