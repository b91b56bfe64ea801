"""Finds values in a document by their path (pure).

Promises
- A key that an object does not have is `ABSENT`; anything else that stops a path is a `Mismatch`
  that says why. Neither is ever a value.
- Elements of a list are selected by key, never by their place; elements that no tag asks for are
  counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.mqtt.paths import Condition, Every, Key, Path, Token, Where, is_position, token_of
from connectors.mqtt.wording import kind_of

MOST_ELEMENTS = 50_000
"""In a list that elements are selected from: all are looked at, while the gateway waits."""


class Absent:
    """The type of `ABSENT`."""


ABSENT: Final = Absent()
"""What an object has at a key that it does not have."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a path cannot be followed, in words for people."""

    why: str


def follow(node: Any, path: Path) -> Any:
    """The value at a path without selections, ABSENT or a Mismatch."""
    for step in path:
        if type(node) is dict:
            node = node.get(step, ABSENT)
        elif type(node) is list:
            node = _at_position(node, step)
        elif node is ABSENT or type(node) is Mismatch:
            return node
        else:
            return Mismatch(f"{kind_of(node)}, not an object with `{step}`")
    return node


def _at_position(node: list[Any], step: object) -> Any:
    if isinstance(step, str) and is_position(step) and not isinstance(step, Key):
        # A list within the longest payload has fewer items than eight digits can count.
        step = int(step) if len(step) < 9 else len(node)
    if not isinstance(step, int):
        return Mismatch(f"a list, not an object with `{step}`: select an element by its key")
    return node[step] if step < len(node) else Mismatch(f"the list has no position {step}")


@dataclass(slots=True)
class Elements:
    """The lists of one message that selections look into, each indexed once for each key."""

    _indexes: dict[tuple[int, tuple[str, ...]], dict[Token, list[Any]]] = field(
        default_factory=dict
    )
    _lists: dict[int, list[Any]] = field(default_factory=dict)
    _read: set[int] = field(default_factory=set)
    superseded: int = 0
    """Values that a later one of the same tag and message replaces, for want of times."""

    def of(self, node: Any, step: Where | Every) -> Iterable[Any] | Absent | Mismatch:
        """The selected elements of a list; ABSENT or a Mismatch if there is no list."""
        if type(node) is dict:
            elements = [node]  # a publisher may send a single object instead of a list
            if isinstance(step, Every) or all(_meets(node, each) for each in step.conditions):
                return elements
            return ()
        if node is ABSENT or type(node) is Mismatch:
            return node
        if type(node) is not list or len(node) > MOST_ELEMENTS:
            return _no_list(node)
        self._lists[id(node)] = node
        if isinstance(step, Every):
            self._read.add(id(node))
            return node
        return list(self._where(node, step))

    def _where(self, node: list[Any], step: Where) -> Iterator[Any]:
        first, *others = step.conditions
        index = self._indexes.get((id(node), first.key))
        if index is None:
            index = self._indexes[id(node), first.key] = _index(node, first.key)
        found = [each for token in first.tokens for each in index.get(token, ())]
        for element in found:
            if all(_meets(element, each) for each in others):
                self._read.add(id(element))
                yield element

    def unread_count(self) -> int:
        """How many elements no tag has asked for, and values that a later one replaces."""
        unread = (
            sum(id(element) not in self._read for element in elements)
            for listed, elements in self._lists.items()
            if listed not in self._read
        )
        return sum(unread) + self.superseded

    def unread(self) -> Iterator[str]:
        """The elements that no tag has asked for, each by the key that others are selected by."""
        keys = dict(reversed(self._indexes))
        for listed, elements in self._lists.items():
            if listed in self._read:
                continue
            for element in elements:
                if id(element) not in self._read:
                    key = keys[listed]
                    value = _value_of(element, key)
                    yield f"no {'.'.join(key)}" if value is ABSENT else f"{'.'.join(key)}={value}"


def _no_list(node: Any) -> Mismatch:
    if type(node) is list:
        return Mismatch(f"a list of more than {MOST_ELEMENTS:,} elements")
    return Mismatch(f"{kind_of(node)}, not a list")


def _index(elements: list[Any], key: tuple[str, ...]) -> dict[Token, list[Any]]:
    index: dict[Token, list[Any]] = {}
    for element in elements:
        if type(element) is dict and (token := token_of(_value_of(element, key))):
            index.setdefault(token, []).append(element)
    return index


def _meets(element: Any, condition: Condition) -> bool:
    return token_of(_value_of(element, condition.key)) in condition.tokens


def _value_of(element: Any, key: tuple[str, ...]) -> Any:
    """The value at a key, or a path of keys; something that is not a JSON value without one."""
    for name in key:
        if type(element) is not dict or name not in element:
            return ABSENT
        element = element[name]
    return element


def walk(trail: list[Any], path: Path, elements: Elements) -> Iterator[tuple[list[Any], Any]]:
    """Every value at a path, with the nodes on the way to it, the document first."""
    for step in path[len(trail) - 1 :]:
        node = trail[-1]
        if isinstance(step, Where | Every):
            selected = elements.of(node, step)
            if isinstance(selected, Absent | Mismatch):
                yield trail, selected
                return
            for element in selected:
                yield from walk([*trail, element], path, elements)
            return
        node = follow(node, (step,))
        if node is ABSENT or type(node) is Mismatch:
            yield trail, node
            return
        trail = [*trail, node]
    yield trail, trail[-1]
