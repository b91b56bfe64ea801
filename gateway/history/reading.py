"""How a recording is read: what the user says about the file, and what the reader says in return.

Promises
- Whatever the reader skips, assumes or corrects is said once, in a sentence that names the file.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.api.contracts import ConfigError
from gateway.api.model import Indices, Nanos

MOST_VALUES = 100_000_000
"""Rows times columns of a recording, by default: 100 tags for eleven days at one second."""
SHOWN = 3
"""Lines and texts that a sentence names; further ones are counted."""


def _ignore(_sentence: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user says about a recording. By default everything follows from the file."""

    time_format: str | None = None
    """Format of the times, as for `strptime`."""
    timezone: str | None = None
    """Zone of times without one: an IANA name, `UTC`, or an offset such as `+01:00`."""
    time_columns: Sequence[str] = ()
    """Column of the times, or those of date and time of day."""
    decimal: str | None = None
    """Decimal separator of a text file, '.' or ','."""
    now: Nanos | None = None
    """The present in ns, to recognise times in the future; None for the clock's."""
    most_values: int = MOST_VALUES
    """Rows times columns that a recording may have."""
    texts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Numbers of texts that stand for states, by column, as in a line file."""
    tell: Callable[[str], None] = field(default=_ignore, compare=False)
    """Takes each sentence about what was skipped or assumed."""

    @property
    def present(self) -> Nanos:
        """The present in ns."""
        return time.time_ns() if self.now is None else self.now


_current: ContextVar[Reading | None] = ContextVar("reading", default=None)


@contextmanager
def reading_as(said: Reading) -> Iterator[None]:
    """What the user says holds for every file that is read meanwhile.

    So no reader within a command can forget the options, or keep to itself what it skipped.
    """
    token = _current.set(said)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Reading:
    """What the user of the present command says; by default everything follows from the file."""
    return _current.get() or Reading()


class Notes:
    """Collects what is reported about one file."""

    def __init__(self, path: Path, unit: str = "line") -> None:
        self.path = path
        self.unit = unit
        """What a row is numbered by: a text file has lines, Parquet has rows."""
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        """Adds a sentence, once."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    def rows(self, numbers: Sequence[int] | Indices) -> str:
        """Names rows by count and first numbers: '5 lines (7, 8, 9, ...)'."""
        first = [int(number) for number in numbers[:SHOWN]]
        if len(numbers) == 1:
            return f"{self.unit} {first[0]}"
        more = ", ..." if len(numbers) > SHOWN else ""
        return f"{len(numbers)} {self.unit}s ({', '.join(map(str, first))}{more})"

    def refuse(self, reason: str) -> ConfigError:
        """An error that names the file."""
        return ConfigError(f"{self.path}: {reason}")


def count_of(number: int, noun: str) -> str:
    """A number with its noun, in the plural where that is right."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def quoted(text: str, width: int = 60) -> str:
    """A text from a file in quotes, cut if it is long."""
    return repr(text if len(text) <= width else text[: width - 3] + "...")


def moment(at: Nanos | np.int64) -> str:
    """A time in ns as ISO 8601 in UTC, in as many digits as it needs."""
    text = str(np.datetime64(int(at), "ns"))
    while text.endswith("000") and "." in text:
        text = text[:-3]
    return text.rstrip(".") + "Z"
