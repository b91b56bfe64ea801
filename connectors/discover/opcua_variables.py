"""What `andon discover opcua` found: variables with their values and what describes them (pure)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.opcua.paths import PathElement
from connectors.opcua.selection import StructureValue, Unusable, listed
from connectors.opcua.statuses import in_words
from connectors.opcua.structures import Structures

MOST_ELEMENTS = 8
"""Elements of a short array become tags; a longer one is named in a comment."""
NUMBERS = frozenset(f"i={number}" for number in range(1, 12))
"""The data types Boolean to Double."""


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """A variable: its node id with namespace URI, the way that leads to it, its DataValue.

    `has_number_type` is set if its data type is a number's, whatever its value is now.
    """

    way: tuple[PathElement, ...]
    node: str
    data: Any
    unit: str = ""
    low: float | None = None
    high: float | None = None
    enumeration: Mapping[str, float] = field(default_factory=dict)
    has_number_type: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The browse names that lead to it."""
        return tuple(each.name for each in self.way)

    @property
    def path(self) -> str:
        """Its browse path, as `path` takes it."""
        return "/".join(["Objects", *map(str, self.way)])


@dataclass(frozen=True, slots=True)
class ProposedTag:
    """A tag of the line file: its name, its options, and what is reported of it."""

    name: str
    options: Mapping[str, Any]
    comment: str


def proposals(found: FoundVariable, structures: Structures) -> list[ProposedTag] | str:
    """The tags that a variable becomes, or a sentence why it becomes none."""
    status, variant = found.data.StatusCode, found.data.Value
    if status is not None and status.is_bad():
        return _without_value(found, in_words(status))
    raw = None if variant is None else variant.Value
    name = ".".join(found.names)
    if isinstance(raw, int | float):
        return [_tag(found, name, {}, raw)]
    if isinstance(raw, list) and raw and all(isinstance(each, int | float) for each in raw):
        if len(raw) > MOST_ELEMENTS:
            return f"an array of {len(raw):,} numbers; add `index: 0` and so on for its elements"
        return [
            _tag(found, f"{name}.{index}", {"index": index}, value, f"[{index}]")
            for index, value in enumerate(raw)
        ]
    if raw is None:
        return _without_value(found, "no value")
    return _in_words(raw, structures)


def _tag(
    found: FoundVariable, name: str, part: Mapping[str, Any], value: float, place: str = ""
) -> ProposedTag:
    options = _options(found, part)
    comment = f"{found.path}{place} = {value:.10g}"
    if not math.isfinite(value):
        comment = f"{found.path}{place}: not a number now"
    elif "low" in options and not options["low"] <= value <= options["high"]:
        del options["low"], options["high"]
        comment += f", outside its range of {found.low:g} to {found.high:g}"
    status = found.data.StatusCode
    if status is not None and not status.is_good():
        comment += f", {in_words(status)}"
    return ProposedTag(name, options, comment)


def _options(found: FoundVariable, part: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"node": found.node, **part}
    if found.unit:
        options["unit"] = found.unit
    if found.low is not None and found.high is not None:
        options |= {"low": found.low, "high": found.high}
    if found.enumeration:
        options["enumeration"] = dict(found.enumeration)
    return options


def _without_value(found: FoundVariable, why: str) -> list[ProposedTag] | str:
    if not found.has_number_type:
        return why
    return [ProposedTag(".".join(found.names), _options(found, {}), f"{found.path}: {why}")]


def _in_words(raw: Any, structures: Structures) -> str:
    """What a value that is not a number is, and how a number of it becomes a tag."""
    is_list = isinstance(raw, list)
    first = _innermost(raw)
    try:
        opened = structures.opened(first)
    except Unusable as why:
        return str(why)
    more = "an array: " if is_list else ""
    need = "`index` and " if is_list else ""
    if isinstance(opened, StructureValue):
        return f"{more}structure {opened.type_name}; add {need}`member`: {listed(opened.members)}"
    if isinstance(opened, str) or type(opened).__name__ == "LocalizedText":
        text = opened if isinstance(opened, str) else opened.Text or ""
        return f"{more}text, now {text[:40]!r}; add {need}`enumeration` with the texts"
    if is_list and isinstance(opened, int | float):
        return "a matrix of numbers; add `index: [0, 0]` and so on for its elements"
    return f"{more}{type(opened).__name__}, not a number"


def _innermost(raw: Any) -> Any:
    while isinstance(raw, list) and raw:
        raw = raw[0]
    return raw


def enumeration_of(values: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Names and numbers as an enumeration; names that are empty or come again are left out."""
    named: dict[str, float] = {}
    for name, number in values:
        if name.strip():
            named.setdefault(name.strip(), number)
    return named
