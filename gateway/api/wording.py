"""What two messages have in common, and lists in messages."""

import re
from collections.abc import Sequence

NAMED = 5
"""The most names that a list in a message holds."""

WHOLE = 1e15
"""Numbers from here on are shown with a power of ten: not every whole number is one of them."""

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|\d+(?:\.\d+)?")
_CODE = re.compile(r"\d{3}\b")


def kind_of(message: str) -> str:
    """A message without numbers, times and quoted texts, which differ between two of one kind.

    A status code at the start stays.
    """
    code = _CODE.match(message)
    start = code.end() if code else 0
    return message[:start] + _VALUES.sub("…", message[start:])


def in_a_line(error: object, width: int = 200) -> str:
    """The words of a library as part of a sentence: without line breaks, cut if they are many."""
    words = " ".join(str(error).split())
    return words if len(words) <= width else f"{words[:width]}..."


def listed(names: Sequence[str]) -> str:
    """The first names and how many more there are: 'flow, speed' or 'a, b, c, d, e and 12 more'."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def counted(count: int, what: str) -> str:
    """'1 point', '2,000 points'."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def number(value: float, digits: int) -> str:
    """So many digits; all those before the point, however many: '230.5', '-70000', '0.00012'."""
    rounded = f"{value:.{digits}g}"
    is_cut = "e+" in rounded or float(value).is_integer()
    return f"{value:.0f}" if is_cut and abs(value) < WHOLE else rounded
