"""Text in registers, and the numbers it is mapped to (pure).

Promises
- A text ends at the first NUL; spaces around it are not part of it.
- A text that is not in the enumeration is NaN: never the number of another text.
"""

from collections.abc import Iterable, Sequence
from math import nan


class Text:
    """One text of a response: the offsets of its characters, and the number of each known text."""

    def __init__(self, offsets: Sequence[int], texts: Iterable[tuple[str, float]]) -> None:
        self._offsets = offsets
        self._numbers = {text.encode(): number for text, number in texts}

    def number(self, data: bytes) -> float:
        """The number of the text in these data bytes; NaN if it has none."""
        return self._numbers.get(self._characters(data), nan)

    def shown(self, data: bytes) -> str:
        """The text of these data bytes for people, in quotes."""
        return repr(self._characters(data).decode("ascii", "backslashreplace")[:40])

    def _characters(self, data: bytes) -> bytes:
        return trimmed(bytes(data[at] for at in self._offsets))


def trimmed(data: bytes) -> bytes:
    """The text without its padding."""
    return data.partition(b"\0")[0].strip()
