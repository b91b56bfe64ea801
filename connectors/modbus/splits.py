"""Requests that were split because the device refused them, and when one is tried whole (pure).

Promises
- A whole request is tried again when a part that was refused is served again, or when no part is
  refused (then the device refused the gap between two tags, or so many registers).
- It is tried at most once in `FIRST` slots, and after each refusal half as often, down to once in
  `SELDOM`: a request that stays split costs little more than its parts.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from connectors.modbus.plan import Request

FIRST, SELDOM = 30, 960
"""Slots between two attempts to read a split request whole."""


@dataclass(eq=False)
class _Split:
    whole: Request
    parts: list[Request]
    wait: int = FIRST
    slots: int = 0
    has_recovered: bool = False


class Splits:
    """All split requests of one source, kept across its sessions."""

    def __init__(self) -> None:
        self._by_part: dict[Request, _Split] = {}

    def split(self, request: Request, parts: Sequence[Request]) -> None:
        """Records that these are read instead of a request, which may itself be a part."""
        split = self._by_part.pop(request, None) or _Split(request, [request])
        at = split.parts.index(request)
        split.parts[at : at + 1] = parts
        self._by_part |= dict.fromkeys(parts, split)

    def recovered(self, part: Request) -> None:
        """A part that was refused is served again."""
        if part in self._by_part:
            self._by_part[part].has_recovered = True

    def whole_due(self, part: Request, faulty: Container[Request]) -> Request | None:
        """The whole request, if it is to be tried in this slot of its part; counts the slots."""
        split = self._by_part.get(part)
        if split is None or part is not split.parts[0]:
            return None
        split.slots += 1
        is_promising = split.has_recovered or not any(each in faulty for each in split.parts)
        return split.whole if is_promising and split.slots >= split.wait else None

    def refused(self, part: Request) -> bool:
        """Records that the whole request was refused again; True if its parts may have changed."""
        split = self._by_part[part]
        has_recovered, split.has_recovered = split.has_recovered, False
        split.slots, split.wait = 0, min(2 * split.wait, SELDOM)
        return has_recovered

    def joined(self, part: Request) -> list[Request]:
        """Forgets the split; the parts that it had."""
        parts = self._by_part[part].parts
        for each in parts:
            del self._by_part[each]
        return parts

    def exchanged(self, part: Request, parts: Sequence[Request]) -> list[Request]:
        """Records that the whole request is now read in other parts; those that it had."""
        split = self._by_part[part]
        before = self.joined(part)
        split.parts = list(parts)
        self._by_part |= dict.fromkeys(parts, split)
        return before
