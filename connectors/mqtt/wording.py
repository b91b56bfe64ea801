"""Why a sample is not good, in words that stay the same from message to message (pure).

Promises
- Text of a payload is shown in at most 40 characters, escaped if it cannot be printed.
- Digits that change with each message are not shown: a reason is logged when it changes.
"""

import json
import re
from math import isfinite
from typing import Any

EMPTY = "an empty text, not a number"
_MOST = 40
_NUMBER_LIKE = re.compile(r"\s*[-+]?\d*[.,]?\d+([eE][-+]?\d+)?\s*", re.ASCII)


def shown(text: object) -> str:
    """A value in quotes, cut if it is long."""
    whole = str(text)
    return repr(whole if len(whole) <= _MOST else f"{whole[: _MOST - 1]}…")


def short(value: Any) -> str:
    """A JSON value in at most 40 characters; of an object or a list only what it is.

    They may be nested as deeply as can just be decoded, and not be written any more.
    """
    if isinstance(value, str):
        return shown(value)
    return kind_of(value) if isinstance(value, dict | list) else json.dumps(value)[:_MOST]


def kind_of(value: Any) -> str:
    """What a JSON value is: a number, text, null, an object, a list."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return f"text: {_text(value)}" if value else "an empty text"
    return "an object" if isinstance(value, dict) else "a list"


def _text(text: str) -> str:
    """A text as it is, or only its form if it has many digits."""
    if sum(each.isdigit() for each in text) > 2:
        return f"{shown(re.sub(r'[0-9]', '9', text))} (9: a digit)"
    return shown(text)


def not_a_number(value: Any, *, is_asked: bool = False) -> str:
    """Why a value of a payload is not a number; `is_asked`: numbers in text are asked for."""
    if isinstance(value, str):
        if not is_asked and _NUMBER_LIKE.fullmatch(value):
            return "a number as text: `text: number` reads it"
        return f"text, not a number: {_text(value)}" if value else EMPTY
    if isinstance(value, float) and not isfinite(value):
        return f"{value:g} is no finite number"
    if isinstance(value, int) and not isinstance(value, bool):
        return "too large for a number"
    return "null" if value is None else f"{kind_of(value)}, not a number"


def unreadable_time(value: Any, form: str) -> str:
    """Why a time is not one."""
    if isinstance(value, str):
        return f"time cannot be read as {form}: {_text(value)}"
    return f"time cannot be read as {form}: {kind_of(value)}"
