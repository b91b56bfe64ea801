"""Conditions on tags as people write them: `speed > 100`.

Promises
- One strict pattern, nothing is evaluated; ValueError says what would be right.
- A cell without a value meets no condition.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BeforeValidator, WithJsonSchema

from gateway.api.mistakes import quoted
from gateway.api.model import Bools, Floats, Tag

_COMPARE = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_TEXT = (
    r"^\s*([^<>=!\s](?:[^<>=!]*[^<>=!\s])?)\s*(>=|<=|==|!=|>|<)"
    r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*$"
)


class Condition(NamedTuple):
    """A tag against a number in the tag's unit."""

    tag: str
    operator: str
    number: float

    def holds(self, values: Floats) -> Bools:
        """Where the condition is met; same shape as `values`."""
        met = _COMPARE[self.operator](values, self.number) & ~np.isnan(values)
        return np.asarray(met, dtype=np.bool_)

    def described(self, tags: Mapping[str, Tag]) -> str:
        """The condition with the tag's unit, or the name of the number, as in 'speed > 100 rpm'."""
        tag = tags.get(self.tag)
        name = tag.name_of(self.number) if tag else ""
        unit = f" {tag.unit}" if tag and tag.unit else ""
        return f"{self.tag} {self.operator} {self.number:g}{f' ({name})' if name else unit}"


def parse_condition(text: object) -> Condition:
    """'speed > 100' -> the condition; ValueError with what would be right otherwise."""
    match = re.match(_TEXT, text) if isinstance(text, str) else None
    if not match:
        raise ValueError(
            f"{quoted(text)} is not a condition: write a tag, one of {' '.join(_COMPARE)} "
            "and a number, as in speed > 100 or running == 1"
        )
    number = float(match[3])
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} compares with a number that is too large")
    return Condition(match[1], match[2], number)


def _texts(given: object) -> Sequence[str]:
    texts = given if isinstance(given, list | tuple) else [given]
    for text in texts:
        parse_condition(text)
    return tuple(texts)


_ONE = {"type": "string", "pattern": _TEXT}
When = Annotated[
    tuple[str, ...],
    BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE}]}),
]
"""One condition, or several that must all hold."""
