"""Readings for a contract suite: values within the range of each tag that tell tags apart. Pure."""

from collections.abc import Mapping, Sequence

from gateway.api.model import Tag

Values = Mapping[str, float]
"""One value for each tag, by name; NaN where there is none."""

_SPAN = 100.0
"""The range of a tag that names no bounds, or only one."""


def readings_of(tags: Sequence[Tag]) -> list[Values]:
    """A few readings in which no two tags have the same course, and every value changes at first.

    Tags of one range have a value each. Tags that are only on or off differ in some reading: in
    the k-th a tag is in the upper half of its range where bit k of its number is set.
    """
    bits = (len(tags) + 1).bit_length()
    courses = {
        tag.name: _course(tag, number, bits, len(tags)) for number, tag in enumerate(tags, start=1)
    }
    return [{name: course[row] for name, course in courses.items()} for row in range(bits + 1)]


def _course(tag: Tag, number: int, bits: int, tags: int) -> list[float]:
    halves = [number >> bit & 1 for bit in range(bits)]
    halves.insert(0, 1 - halves[0])
    steps = tags * len(halves) + 1
    return [
        _value(tag, (half + ((number - 1) * len(halves) + row + 1) / steps) / 2)
        for row, half in enumerate(halves)
    ]


def _value(tag: Tag, fraction: float) -> float:
    if tag.names:
        numbers = sorted(tag.names)
        return numbers[int(fraction * len(numbers))]
    low, high = _range(tag)
    return float(f"{low + fraction * (high - low):.4g}")


def beyond(tag: Tag) -> float:
    """A value that is out of the tag's bounds: above `high`, or below `low` where there is no high.

    The tag has at least one of them.
    """
    low, high = _range(tag)
    margin = (high - low) / 4
    return float(f"{high + margin if tag.high is not None else low - margin:.4g}")


def is_bounded(tag: Tag) -> bool:
    """Whether the tag has `low` or `high`."""
    return tag.low is not None or tag.high is not None


def _range(tag: Tag) -> tuple[float, float]:
    if tag.low is not None:
        return tag.low, tag.low + _SPAN if tag.high is None else tag.high
    return (0.0, _SPAN) if tag.high is None else (tag.high - _SPAN, tag.high)
