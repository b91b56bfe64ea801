"""Recognises a line file, so that no other file is shown by a mistaken name or a link (pure).

Promises
- Text that is not recognised is never repeated: no excerpt, no key and no value of it.
- A line file with mistakes is recognised, even if it is not YAML.
"""

import re
from collections.abc import Collection, Sequence

_KEY = re.compile(r"""[ ]*(?:- )?["']?([A-Za-z_]\w*)["']?[ \t]*:(?:\s|$)""")
_FLOW_KEY = re.compile(r"""[{,]\s*["']?([A-Za-z_]\w*)["']?\s*:""")
_MOST_LINES = 5_000


def is_recognised(lines: Sequence[str], known: Collection[str], telling: Collection[str]) -> bool:
    """Whether two keys at the top level, or all, are `known`, and one of them is `telling`."""
    written = [line for line in lines[:_MOST_LINES] if _content(line)]
    if written and written[0].lstrip().startswith("{"):
        keys = set(_FLOW_KEY.findall("\n".join(written)))
    else:
        keys = _top_level(written)
    ours = keys & set(known)
    return keys == {"version"} or (bool(keys & set(telling)) and (len(ours) > 1 or ours == keys))


def is_empty(lines: Sequence[str]) -> bool:
    """Whether there is nothing but spaces and comments."""
    return not any(_content(line) for line in lines)


def _top_level(written: Sequence[str]) -> set[str]:
    keys = ((line, _KEY.match(line)) for line in written)
    found = [(len(line) - len(line.lstrip()), match) for line, match in keys if match]
    outer = min((indent for indent, _ in found), default=0)
    return {match[1] for indent, match in found if indent == outer}


def _content(line: str) -> str:
    text = line.strip().lstrip("\ufeff")
    return "" if text.startswith(("#", "---", "%YAML")) else text
