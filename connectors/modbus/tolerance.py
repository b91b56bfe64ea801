"""What a device may do wrong in its answers, where the line file says so with `tolerate` (pure).

Promises
- Nothing is tolerated unless it is named. An answer needs the right function code and as many bytes
  of values as were requested, whatever is tolerated; on RTU and ASCII the right checksum too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Deviation = Literal["echo", "stray_bytes", "unit_id", "transaction_id", "protocol_id", "length"]

OF_HEADER: frozenset[Deviation] = frozenset(("transaction_id", "protocol_id", "length"))
"""Deviations in the header of Modbus TCP, which RTU and ASCII do not have."""
PLACEHOLDER_UNITS = frozenset((0, 1, 255))
"""What devices that do not care about the unit put into their answers."""
MAX_STRAY = 8
"""The most stray bytes on either side of a frame."""
COUNTED: dict[Deviation, str] = {
    "echo": "our own request came back before the answer",
    "stray_bytes": "stray bytes came with an answer",
    "unit_id": "an answer came from unit 0, 1 or 255 instead of the unit that was asked",
    "transaction_id": "an answer had a transaction number other than its request's",
    "protocol_id": "an answer had a protocol number other than 0",
    "length": "the header of an answer gave a wrong length",
}
"""Each deviation in words, as it is counted."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The deviations that are borne, and the units that may answer for another one."""

    names: frozenset[Deviation] = frozenset()
    units: frozenset[int] = field(default=frozenset())

    def bears(self, name: Deviation) -> bool:
        return name in self.names


STRICT = Tolerance()


def tolerance_of(
    names: Iterable[Deviation], polled: Iterable[int], *, is_numbered: bool
) -> Tolerance:
    """The tolerance of a connection on which the units `polled` are read.

    Where answers carry no number of their request, a unit that is polled itself answers only for
    itself: its late answer must not become the value of another unit.
    """
    given = frozenset(names)
    if "unit_id" not in given:
        return Tolerance(given)
    is_sure = is_numbered and "transaction_id" not in given
    return Tolerance(given, PLACEHOLDER_UNITS - (frozenset() if is_sure else frozenset(polled)))


def with_hint(why: str, option: Deviation | None) -> str:
    """What was received, and the option that would accept it."""
    return f"{why} (`tolerate: [{option}]` would accept it)" if option else why
