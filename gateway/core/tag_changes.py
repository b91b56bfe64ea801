"""What has changed in the data of tags, for the log: each change once, grouped by its reason. Pure.

Promises
- A change is reported when it has held for `HELD`, so that one bad sample is no news.
- Tags of one source that changed together for one reason are one entry.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.api.model import SECOND, Nanos, Tag

HELD = 2 * SECOND


@dataclass(frozen=True, slots=True)
class TagChange:
    """Tags of one source that are in another state now, or for another reason."""

    source: str
    state: str
    why: str
    tags: Sequence[str]


class TagChanges:
    """Compares the condition of each tag with the one that was reported last.

    A condition is a state and a reason; a tag without one is fresh.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags = tuple(tags)
        self._reported: dict[int, tuple[str, str]] = {}
        self._pending: dict[int, tuple[tuple[str, str], Nanos]] = {}

    def take(
        self,
        conditions: Mapping[int, tuple[str, str]],
        now: Nanos,
        undecided: Collection[int] = (),
    ) -> list[TagChange]:
        """The changes to report at `now`, given the condition of each tag that is not fresh.

        Nothing is reported of tags that are `undecided`.
        """
        if conditions == self._reported:
            self._pending.clear()
            return []
        due: dict[tuple[str, str, str], list[str]] = {}
        for tag in sorted({*conditions, *self._reported, *self._pending}):
            condition = conditions.get(tag, ("fresh", ""))
            if tag in undecided or condition == self._reported.get(tag, ("fresh", "")):
                self._pending.pop(tag, None)
                continue
            pending = self._pending.get(tag)
            if pending is None or pending[0] != condition or pending[1] > now:
                self._pending[tag] = (condition, now)
                continue
            if now - pending[1] >= HELD:
                self._report(tag, condition)
                due.setdefault((self._tags[tag].source, *condition), []).append(
                    self._tags[tag].name
                )
        return [TagChange(*key, names) for key, names in due.items()]

    def _report(self, tag: int, condition: tuple[str, str]) -> None:
        del self._pending[tag]
        if condition[0] == "fresh":
            self._reported.pop(tag, None)
        else:
            self._reported[tag] = condition
