"""Which number of a node's value a tag is: an element, a member, a named text (pure).

Promises
- Exactly one number, or the reason why there is none. Nothing is guessed: a list or structure
  without an index or member is not a number, and text is one only by an enumeration.
- Elements are counted from 0, as the standard does.
"""

import dataclasses
import datetime as dt
import itertools
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.api.visible import brief

Step = str | int
_MEMBER = re.compile(r"[^.\[\]]+(\[\d+(,\s*\d+)*\])*(\.[^.\[\]]+(\[\d+(,\s*\d+)*\])*)*")
_STEP = re.compile(r"\[([^\]]*)\]|[^.\[\]]+")
_SHOWN, _NAMED = 40, 8
_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((dt.datetime,), "a time, not a number"),
    ((bytes,), "bytes, not a number: give an index"),
    ((uuid.UUID,), "a GUID, not a number"),
)


class Unusable(ValueError):  # noqa: N818 - the state of a value, not a fault of ours
    """A value has no number at the place that a tag names; the message says why."""


@dataclass(frozen=True, slots=True)
class StructureValue:
    """A structure: the name of its type, and its members by name."""

    type_name: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """The steps from a node's value to the number, and the texts that stand for numbers."""

    steps: tuple[Step, ...] = ()
    texts: Mapping[str, float] = field(default_factory=dict)

    def number(self, raw: Any, opened: Callable[[Any], Any] = lambda raw: raw) -> float:
        """The number in this value; `Unusable` with the reason if there is none.

        `opened` decodes a structure, and returns any other value as it is.
        """
        raw = opened(raw)
        for step in self.steps:
            raw = opened(_element(raw, step) if isinstance(step, int) else _member(raw, step))
        return _number(raw, self.texts)


def parse_member(text: str) -> tuple[Step, ...]:
    """'Axes[1].Position' as steps; ValueError with what would be right."""
    if not _MEMBER.fullmatch(text):
        raise ValueError(f"{text!r}: write it as in Speed, Motor.Speed or Axes[1].Position")
    steps: list[Step] = []
    for match in _STEP.finditer(text):
        elements = match[1]
        steps += [match[0]] if elements is None else map(int, elements.split(","))
    return tuple(steps)


def _element(raw: Any, index: int) -> Any:
    if raw is None:
        raise Unusable("no value")
    if not isinstance(raw, list | tuple | bytes):
        raise Unusable(f"{_kind(raw)}, not a list: leave `index` out")
    if index >= len(raw):
        last = f"its last is {len(raw) - 1}" if len(raw) else "it is empty"
        raise Unusable(f"the list has no element {index}; {last}")
    return raw[index]


def _member(raw: Any, name: str) -> Any:
    if raw is None:
        raise Unusable("no value")
    if isinstance(raw, list | tuple):
        raise Unusable("a list of structures: give an index")
    if dataclasses.is_dataclass(raw) and not isinstance(raw, StructureValue | type):
        members = {each.name: getattr(raw, each.name) for each in dataclasses.fields(raw)}
        raw = StructureValue(type(raw).__name__, members)
    if not isinstance(raw, StructureValue):
        raise Unusable(f"{_kind(raw)}, not a structure: leave `member` out")
    if name not in raw.members:
        raise Unusable(
            f"{brief(raw.type_name)} has no member {name!r}; it has {listed(raw.members)}"
        )
    return raw.members[name]


def listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    """The first of these names, for a sentence."""
    first = [brief(str(name)) for name in itertools.islice(names, _NAMED)]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "") or "none"


def _number(raw: Any, texts: Mapping[str, float]) -> float:
    if isinstance(raw, float | int):
        if not math.isfinite(raw):
            raise Unusable("not a number (NaN)" if math.isnan(raw) else "an infinite value")
        return float(raw)
    if raw is None:
        raise Unusable("no value")
    text = _text(raw)
    if text is None:
        raise Unusable(_no_number(raw))
    if not texts:
        raise Unusable(f"text, not a number: {_short(text)}")
    if text.strip() not in texts:
        raise Unusable(f"the text {_short(text)} is not in the enumeration: {listed(texts)}")
    return texts[text.strip()]


def _no_number(raw: Any) -> str:
    if isinstance(raw, list | tuple):
        is_matrix = bool(raw) and isinstance(raw[0], list)
        more = " for each dimension, as in [0, 2]" if is_matrix else ""
        return f"list, not a number: give an index{more}"
    if isinstance(raw, StructureValue):
        which = f"give a member, one of {listed(raw.members)}"
        return f"structure {brief(raw.type_name)}, not a number: {which}"
    said = next((text for kinds, text in _KINDS if isinstance(raw, kinds)), None)
    return said or f"{_kind(raw)}, not a number"


def _text(raw: Any) -> str | None:
    """The text of a String or LocalizedText; '' for one without text."""
    if isinstance(raw, str):
        return raw
    if type(raw).__name__ == "LocalizedText":
        return raw.Text or ""
    return None


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _kind(raw: Any) -> str:
    """A value's type in words."""
    if isinstance(raw, bool | int | float):
        return "a number"
    if isinstance(raw, StructureValue):
        return f"structure {brief(raw.type_name)}"
    if isinstance(raw, list | tuple):
        return "a list"
    return "text" if _text(raw) is not None else type(raw).__name__
