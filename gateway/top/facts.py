"""Reads fields of a daemon's answer, which may be of another version (pure).

Promises
- A field that is missing, or of another type, reads as nothing; nothing raises.
- Control characters in texts are visible: they neither steer the terminal nor forge a row.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.api.visible import visible
from gateway.api.wording import number

Facts = Mapping[str, Any]
LATEST: Nanos = 2**62
DIGITS = 4


def of(facts: Any) -> Facts:
    """An object; an empty one for anything else."""
    return facts if isinstance(facts, Mapping) else {}


def words(facts: Facts, key: str) -> str:
    """A text."""
    value = facts.get(key)
    return visible(value) if isinstance(value, str) else ""


def each(facts: Facts, key: str) -> list[Facts]:
    """A list of objects."""
    return every(facts.get(key))


def every(value: Any) -> list[Facts]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def texts(facts: Facts, key: str) -> list[str]:
    """A list of texts."""
    value = facts.get(key)
    if not isinstance(value, list):
        return []
    return [visible(one) for one in value if isinstance(one, str)]


def amount(facts: Facts, key: str) -> float | None:
    """A number."""
    value = facts.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def count(facts: Facts, key: str) -> int:
    """A number of things."""
    return int(amount(facts, key) or 0)


def figure(value: float | None, unit: str = "") -> str:
    """A number with its unit; a dash for none."""
    return "–" if value is None else f"{number(value, DIGITS)} {unit}".rstrip()


def clock(facts: Facts, key: str, now: Nanos) -> str:
    """The time of a field: of day, and with the date if that is not today; a dash for none."""
    at = amount(facts, key)
    return moment(int(at), now) if at else "–"


def moment(at: Nanos, now: Nanos) -> str:
    """A time, as `clock` says."""
    if not 0 < at < LATEST:
        return "–"
    is_today = local_time(at, "%Y-%m-%d") == local_time(now, "%Y-%m-%d")
    return local_time(at, "%H:%M:%S" if is_today else "%m-%d %H:%M")


def first_tags(alarm: Facts) -> Sequence[str]:
    """The tags that an alarm is about, the first cause first."""
    top = [name for one in each(alarm, "top_tags") if (name := words(one, "tag"))]
    own = words(alarm, "tag")
    return list(dict.fromkeys([own, *top] if own else top))
