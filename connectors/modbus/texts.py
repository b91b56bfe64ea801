"""Text in registers, and the numbers that it stands for (pure).

Promises
- What follows the first NUL is no part of a text, nor are spaces around it.
- A text that nobody gave a number to is NaN: never the number of another text.
"""

from collections.abc import Iterable, Sequence
from math import nan


class Text:
    """One text of a response: where its characters are, and a number for each that is known."""

    def __init__(self, places: Sequence[int], texts: Iterable[tuple[str, float]]) -> None:
        self._places = places
        self._numbers = {text.encode(): number for text, number in texts}

    def number(self, data: bytes) -> float:
        """What the text in these data bytes stands for; NaN if nobody said so."""
        return self._numbers.get(trimmed(bytes(data[at] for at in self._places)), nan)


def trimmed(data: bytes) -> bytes:
    """The text that a device wrote into more room than it needs."""
    return data.partition(b"\0")[0].strip()
