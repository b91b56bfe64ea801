"""Paths to values in JSON: the grammar, from text to steps and back (pure).

    path      = "" | pointer | first { "." key | "[" inside "]" }
    pointer   = a JSON pointer (RFC 6901), which begins with "/"
    first     = key | "[" inside "]"
    key       = any characters but . [ ]
    inside    = "*" | position | quoted | condition
    position  = digits
    condition = name { "." name } "=" value
    name      = any characters but . [ ] = " ' | quoted
    value     = any characters but ], not beginning with = " ' | quoted
    quoted    = "…" with the escapes of JSON | '…'

Promises
- A text has one meaning or is refused with what would be right.
- What comes first in a list is never taken because of its place alone: a position before further
  steps has to be written in brackets.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

Token = tuple[str, Any]
"""A JSON value by which an element is selected, with its type: 1, true and "1" differ."""


class Key(str):
    """A key of digits that was quoted: never a position in a list."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A key within the elements of a list, and the values that it may have."""

    key: tuple[str, ...]
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """The elements of a list that meet all conditions; an object is a list of one."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All elements of a list, each a sample of its own; an object is a list of one."""


EVERY: Final = Every()
Step = str | int | Where | Every
"""A key (in a list a position, if it is a number), a position, or a selection."""
Path = tuple[Step, ...]

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""", re.DOTALL)
_NAME = re.compile(r"""[^.\[\]="']+""")
_KEY = re.compile(r"[^.\[\]]+")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


def parse_path(text: str) -> Path:
    """The steps of a path; ValueError with what would be right."""
    if text.startswith("/"):
        path: Path = tuple(_unescaped(step) for step in text[1:].split("/"))
    else:
        path = tuple(_steps(text))
    _check_positions(path)
    return path


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        if text[at] == "[":
            step, at = _bracket(text, at)
            last = steps[-1] if steps else None
            if isinstance(step, Where) and isinstance(last, Where):
                steps[-1] = Where(last.conditions + step.conditions)
            else:
                steps.append(step)
            continue
        if steps and text[at] == ".":
            at += 1
        match = _KEY.match(text, at)
        if match is None:
            if text[at : at + 1] == "]":
                raise ValueError("a ] has no [ before it: write a key that has one in quotes")
            raise ValueError("a step is empty: write the keys with one dot in between")
        if steps and text[at - 1] == "]":
            raise ValueError("write a dot after a ], as in values[id=Speed].v")
        steps.append(match[0])
        at = match.end()
    if text.endswith("."):
        raise ValueError("a step is empty: write the keys with one dot in between")
    return steps


def _bracket(text: str, start: int) -> tuple[Step, int]:
    """The step in the brackets that open at `start`, and where the text goes on."""
    at = start + 1
    if quoted := _QUOTED.match(text, at):
        if text[quoted.end() : quoted.end() + 1] == "]":
            key = _unquoted(quoted[0])
            return (Key(key) if key.isdecimal() else key), quoted.end() + 1
    elif closed := re.compile(r"\s*(\*|[0-9]+)\s*\]").match(text, at):
        return (EVERY if closed[1] == "*" else int(closed[1])), closed.end()
    return _condition(text, at)


def _condition(text: str, at: int) -> tuple[Where, int]:
    names: list[str] = []
    while True:
        match = _QUOTED.match(text, at) or _NAME.match(text, at)
        if match is None:
            raise ValueError(_not_a_condition(text))
        name = match[0].strip()
        if not name:
            raise ValueError(_not_a_condition(text))
        names.append(_unquoted(name) if name[0] in "\"'" else name)
        at = match.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    if text[at : at + 1] != "=" or text[at + 1 : at + 2] == "=":
        raise ValueError(_not_a_condition(text))
    at = re.compile(r"\s*").match(text, at + 1).end()  # type: ignore[union-attr] # matches ""
    tokens, at = _value(text, at)
    if text[at : at + 1] != "]":
        raise ValueError(_not_a_condition(text))
    return Where((Condition(tuple(names), tokens),)), at + 1


def _value(text: str, at: int) -> tuple[tuple[Token, ...], int]:
    if quoted := _QUOTED.match(text, at):
        after = re.compile(r"\s*").match(text, quoted.end())
        return (("text", _unquoted(quoted[0])),), after.end() if after else quoted.end()
    end = text.find("]", at)
    bare = text[at : len(text) if end < 0 else end].strip()
    if not bare:
        raise ValueError('an empty value is written as in [id=""]')
    if bare[0] in "\"'":
        raise ValueError(_not_a_condition(text))
    return tokens_of(bare), end if end >= 0 else len(text)


def tokens_of(bare: str) -> tuple[Token, ...]:
    """The values that a value without quotes may mean: the text, and the JSON of the same form."""
    words: dict[str, Token] = {
        "true": ("boolean", True),
        "false": ("boolean", False),
        "null": ("null", None),
    }
    if bare in words:
        return ("text", bare), words[bare]
    if _NUMBER.fullmatch(bare):
        return ("text", bare), ("number", float(bare))
    return (("text", bare),)


def token_of(value: Any) -> Token | None:
    """A JSON value as something to select by; None for objects and lists."""
    if isinstance(value, str):
        return "text", value
    if value is None:
        return "null", None
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    return None


def _unquoted(text: str) -> str:
    if text[0] == "'":
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError as error:
        raise ValueError(f"{text} has an escape that JSON does not have") from error


def _not_a_condition(text: str) -> str:
    return (
        f"{text} cannot be read: in brackets write a condition, as in values[id=Speed].v, * for "
        'all elements, a position such as 0, or a key in quotes, as in ["a.b"]'
    )


def _check_positions(path: Path) -> None:
    """Refuses a number before further steps: a key in an object, or a place in a list?"""
    for at, step in enumerate(path):
        if not isinstance(step, str) or isinstance(step, Key) or not is_position(step):
            continue
        if any(not (isinstance(later, str) and is_position(later)) for later in path[at + 1 :]):
            before, after = write_path(path[:at]), write_path(path[at + 1 :])
            after = f".{after}" if after and not after.startswith("[") else after
            raise ValueError(
                f"{step} would take whatever comes at that place of a list: select by key, as in "
                f"{before}[id=NAME]{after}; if places never change, write {before}[{step}]{after}; "
                f'a key that is a number is written {before}["{step}"]{after}'
            )


def is_position(step: str) -> bool:
    """True if this step may be a position in a list."""
    return step.isascii() and step.isdecimal()


def write_path(path: Path) -> str:
    """The path as in a line file; `parse_path` reads it back."""
    text = ""
    for step in path:
        if isinstance(step, Every):
            text += "[*]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif isinstance(step, Where):
            text += "".join(f"[{_written(each)}]" for each in step.conditions)
        elif isinstance(step, Key) or not _KEY.fullmatch(step) or step.startswith("/"):
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
        else:
            text += f".{step}" if text else step
    return text


def _written(condition: Condition) -> str:
    names = (
        name
        if _NAME.fullmatch(name) and name == name.strip()
        else json.dumps(name, ensure_ascii=False)
        for name in condition.key
    )
    kind, value = condition.tokens[-1]
    if kind == "number":
        written = f"{value:.17g}"
    elif kind == "text":
        is_bare = (
            value == value.strip()
            and value
            and value[0] not in "=\"'"
            and "]" not in value
            and len(tokens_of(value)) == 1
        )
        written = value if is_bare else json.dumps(value, ensure_ascii=False)
    else:
        written = json.dumps(value)
    return f"{'.'.join(names)}={written}"
