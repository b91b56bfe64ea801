"""Foreign texts for a terminal: names and messages that devices, servers and files chose.

Promises
- A control character is shown as its escape, as Python writes it: it neither steers the
  terminal, nor forges a line, nor turns the direction of writing.
- `brief` bounds what a text may take in a sentence, a log and a point.
"""

import unicodedata
from typing import Any

LINES = "\n\t"
"""What a text of several lines keeps."""
NAME, SENTENCE = 80, 400
"""Characters of a foreign name within a sentence, and of a whole one."""


def visible(text: str, keep: str = "") -> str:
    """The text with every character that does not print as its escape, but those to `keep`."""
    if text.isprintable():
        return text
    return "".join(sign if _is_plain(sign) or sign in keep else _escape(sign) for sign in text)


def brief(text: str, most: int = NAME) -> str:
    """The visible text in at most so many characters; what is cut is shown by an ellipsis."""
    if len(text) <= most and text.isprintable():
        return text
    whole = visible(text[: most + 1])
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def shown(value: Any) -> Any:
    """Plain data (as of JSON) in which all texts are visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {shown(key): shown(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shown(each) for each in value]
    return value


def _is_plain(sign: str) -> bool:
    # Spaces of other widths do not count as printable.
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
