"""What a plot shows, before it is drawn: bins with values, the range of the axis, and words (pure).

Promises
- What is no number, or is missing, is a gap, whatever a daemon answers.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.api.visible import brief
from gateway.api.wording import counted, number

DIGITS = 4
FAR = 1.5
"""A limit is drawn if it is at most this many times the height of the data away from them."""
LARGEST = 1e300
"""Greater numbers leave no room for the arithmetic of an axis."""
MOST_BINS = 4_000
Band = tuple[float, float]


class Bin(NamedTuple):
    """One bin with values."""

    at: Nanos
    low: float
    mean: float
    high: float


class Marked(NamedTuple):
    """What a plot shows beside its curve; named as in `trend_svg`."""

    unit: str = ""
    limits: Sequence[tuple[str, float]] = ()
    anomaly: tuple[Nanos, Nanos] | None = None
    expected: Band | None = None


def marked(
    trend: Mapping[str, Any],
    limits: Sequence[tuple[str, float]],
    anomaly: tuple[Nanos, Nanos] | None,
    expected: float | Band | None,
) -> Marked:
    """What can be shown of these."""
    numbers = [(brief(label), value) for label, value in limits if is_number(value)]
    ends = expected if isinstance(expected, tuple) else (expected, expected)
    band = sorted(end for end in ends if end is not None and is_number(end))
    unit = brief(str(trend.get("unit") or ""))
    return Marked(unit, numbers, anomaly, (band[0], band[1]) if len(band) == 2 else None)


def segments(trend: Mapping[str, Any]) -> list[list[Bin]]:
    """The bins with values, cut at gaps."""
    columns = [trend.get(key) for key in ("t", "min", "mean", "max")]
    lists = [each[:MOST_BINS] if isinstance(each, list) else [] for each in columns]
    pieces: list[list[Bin]] = [[]]
    for at, *values in zip(*lists, strict=False):
        if is_number(at) and all(map(is_number, values)):
            pieces[-1].append(Bin(int(at), *map(float, values)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def is_number(value: Any) -> bool:
    """Whether it is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value) and -LARGEST < value < LARGEST


def extent(pieces: Sequence[Sequence[Bin]]) -> Band:
    """The lowest and the highest value."""
    every = [each for piece in pieces for each in piece]
    return min(each.low for each in every), max(each.high for each in every)


def value_range(pieces: Sequence[Sequence[Bin]], shown: Marked) -> Band:
    """The lowest and highest value of the axis, from the data and from limits near it."""
    low, high = extent(pieces)
    span = (high - low) or abs(high) * 0.05 or 1.0
    others = [value for _, value in shown.limits] + list(shown.expected or ())
    near = [each for each in others if low - FAR * span <= each <= high + FAR * span]
    low, high = min([low, *near]), max([high, *near])
    air = 0.06 * (high - low) or span
    return low - air, high + air


def description(
    pieces: Sequence[Sequence[Bin]],
    shown: Marked,
    since: Nanos,
    until: Nanos,
    zone: tzinfo | None = None,
) -> str:
    """The plot in words."""
    first, last = (local_time(at, "%Y-%m-%d %H:%M:%S", zone) for at in (since, until))
    if not pieces:
        return f"No data from {first} to {last}."
    newest = quantity(pieces[-1][-1].mean, shown.unit)
    words = [f"{span(extent(pieces), shown.unit)} from {first} to {last}, at last {newest}"]
    words += [f"{label}: {quantity(value, shown.unit)}" for label, value in shown.limits]
    if shown.expected is not None:
        words.append(f"expected: {span(shown.expected, shown.unit)}")
    if shown.anomaly is not None:
        began, ended = (local_time(at, "%H:%M:%S", zone) for at in shown.anomaly)
        words.append(f"shaded: {began} to {ended}")
    if len(pieces) > 1:
        words.append(counted(len(pieces) - 1, "gap"))
    return f"{'. '.join(words)}."


def quantity(value: float, unit: str) -> str:
    """A value with its unit."""
    return f"{number(value, DIGITS)} {unit}".rstrip()


def span(ends: Band, unit: str) -> str:
    """Two values with their unit, or one if they are equal."""
    low, high = ends
    if low == high:
        return quantity(low, unit)
    return f"{number(low, DIGITS)} to {quantity(high, unit)}"
