"""From local times to UTC.

Promises
- A time that does not exist in the zone is refused: the clock was not one of that zone.
- A time that exists twice is told apart by the order of the rows, or it is said that it was not.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Bools, Indices, Nanos, Times
from gateway.history.reading import Notes, moment

_STRETCH: Nanos = 900 * SECOND
"""Offsets change at multiples of a quarter of an hour."""
_NEAR = 20
"""Typical steps within which a row continues the one before."""
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_KNOWN = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "CET": 60, "MEZ": 60, "CEST": 120,
    "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180, "JST": 540, "KST": 540,
    "EDT": -240, "EST": -300, "CDT": -300, "CST": -360, "MDT": -360, "MST": -420,
    "PDT": -420, "PST": -480,
}  # fmt: skip
"""Minutes east of Greenwich. CST is also China's and Cuba's: it is reported."""
_SEVERAL = {"CST": "-06:00, central North America", "EST": "-05:00, eastern North America"}


def offset_of(text: str) -> Nanos | None:
    """A fixed offset such as '+01:00', 'UTC' or 'CET' in ns; None if it is not one."""
    if (minutes := _KNOWN.get(text.upper())) is not None:
        return minutes * 60 * SECOND
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    hours, rest = int(match[2]), int(match[3] or 0)
    if hours > 14 or rest > 59:
        return None
    return (hours * 3600 + rest * 60) * SECOND * (-1 if match[1] == "-" else 1)


def ambiguous_name(text: str) -> str | None:
    """How an abbreviation that several zones share is read; None for any other."""
    return _SEVERAL.get(text.upper())


def zone_in(header: str) -> str | None:
    """The zone that a header names in brackets, as in 'Time (UTC+1)'; None without one."""
    for text in re.findall(r"[\[(]([^\])]+)[\])]", header):
        if offset_of(text.strip()) is not None:
            return str(text.strip())
        if re.fullmatch(r"[A-Z]\w+/[\w/+-]+", text.strip()):
            return str(text.strip())
    return None


def is_known_zone(name: str) -> bool:
    """Whether a text of a file, which may be anything, is the name of an IANA zone."""
    return "/" in name and name in _known_zones()


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def zone_of(name: str) -> tzinfo:
    """The zone that a user names; ConfigError if there is none of that name."""
    offset = offset_of(name)
    if offset is not None:
        return timezone(timedelta(seconds=offset // SECOND))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not available_timezones():
            raise ConfigError(
                f"the zone {name!r} cannot be looked up, since this machine has no time zone "
                "data: install the package tzdata, or give an offset such as +01:00"
            ) from error
        raise ConfigError(
            f"{name!r} is not a time zone: write it as Europe/Berlin, UTC or +01:00"
        ) from error


def to_utc(local: Times, zone: tzinfo, numbers: Indices, name: str, notes: Notes) -> Times:
    """Local times int64[row], in the order of the file, in UTC; ConfigError if one never was."""
    stretch, of_row = np.unique(local // _STRETCH, return_inverse=True)
    first, second = (_offsets(stretch, zone, fold)[of_row] for fold in (0, 1))
    if (missing := first < second).any():
        row = int(np.flatnonzero(missing)[0])
        raise notes.refuse(
            f"{notes.unit} {numbers[row]}: {moment(local[row])[:-1]} does not exist in {name}, "
            "where the clock is put forward then: the times are of another zone, or of a clock "
            "that keeps standard time all year; give that as --timezone, as in +01:00"
        )
    twice = first > second
    if not twice.any():
        return local - first
    return local - np.where(_is_second(local, twice, first - second, numbers, notes), second, first)


def _offsets(stretch: Times, zone: tzinfo, fold: int) -> Times:
    found = np.zeros(len(stretch), dtype=np.int64)
    for n, quarter in enumerate(stretch.tolist()):
        at = datetime.fromtimestamp(quarter * _STRETCH // SECOND, UTC)
        offset = at.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
        found[n] = round(offset.total_seconds()) * SECOND
    return found


def _is_second(local: Times, twice: Bools, shift: Times, numbers: Indices, notes: Notes) -> Bools:
    """Whether a row is of the second of two equal hours."""
    second = np.zeros(len(local), dtype=bool)
    steps = np.diff(local)
    step = int(np.median(steps[steps > 0])) if (steps > 0).any() else SECOND
    edges = np.flatnonzero(np.diff(np.concatenate([[0], twice.astype(np.int8), [0]])))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        part = local[begin:end]
        least = min(int(shift[begin]) // 4, _NEAR * step)
        if step * 4 > shift[begin]:
            # Rows of half an hour or an hour only repeat a time, unless all times repeat.
            least = int(((steps == 0) & ~twice[1:]).any())
        back = np.flatnonzero(np.diff(part) <= -least) + 1
        if len(back):
            second[begin + int(back[0]) : end] = True
            continue
        follows = begin > 0 and 0 <= part[0] - local[begin - 1] <= _NEAR * step
        precedes = end < len(local) and 0 <= local[end] - part[-1] <= _NEAR * step
        if follows:
            continue
        if precedes:
            second[begin:end] = True
            continue
        notes.say(
            f"{notes.rows(numbers[begin:end])} are in the hour that comes twice when the clock is "
            "put back; the order of the rows does not show which it was, so the first is assumed"
        )
    return second
