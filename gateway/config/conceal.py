"""Masks what may be a secret in the lines of a file, which need not be correct YAML (pure).

Promises
- A line or part of one is masked too much rather than too little: everything that belongs to a
  secret's key, on this line and the next ones, unless it is a whole reference such as ${env:NAME}.
- Of a URL or a host nothing is shown before `@`, and nothing after `?` or `#`; of a URL for Apprise
  nothing but its scheme.
- Comments are not repeated.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.api.masking import MASK, REFERENCE
from gateway.api.mistakes import is_secret_key

# Possessive repeats: a hostile file must not make the search slow.
_WORD = re.compile(r"(?<![\w.-])[\w.-]++")
_REST = re.compile(r"""["']?(?:[ \t]|\#[^\n]*+)*+""")
"""What may stand between a key and its colon on a line, and on all lines."""
_LINES = re.compile(r"(?:[ \t]|\n|\#[^\n]*+)*+")
_BEFORE = re.compile(r"""[ \t]*+(?:[-?][ \t]+)*["']?""")
_AFTER = re.compile(r"""["']?(?=[ \t])""")
_LATER = re.compile(r"(?:[|>][-+0-9]*|[&!][^\s]*)?[ \t]*(?:\#.*)?")
_LOOKS_LIKE_KEY = re.compile(r"""[ \t]*["']?[\w.-]+["']?[ \t]*:(?:\s|$)""")
_WHOLE_REFERENCE = re.compile(rf"""(["']?){REFERENCE.pattern}\1[ \t]*(?=[,}}\]#]|$)""")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_SHOWN = (
    (
        re.compile(r"""(?<![^\s"'{\[,])((?:[a-z][a-z.+]*+://)?)[^\s"'{\[,]+@(?=\S)"""),
        rf"\1{MASK}@",
    ),
    (re.compile(r"""(?<=[^\s?])\?[^\s"']+"""), f"?{MASK}"),
    # What Apprise calls a URL holds tokens where others have a host and a path.
    (
        re.compile(
            r"""(?<![\w.+-])(?!(?:https?|opc\.tcp|mqtts?|wss?|tcp|ftp|file)://)
            ([A-Za-z][\w.+-]{0,40}+://)[^\s"'}\],]++""",
            re.VERBOSE,
        ),
        rf"\1{MASK}",
    ),
)
_IN_TEXT = re.compile(
    r"""((?:password|passwd|passphrase|token|secret|api_?key)["']?\s*[:=]\s*)
        (?!["']?(?:\$\{(?:env|credential|file):[^{}$]+\}|[`*]|\s|$))
        ("[^"]*"?|'[^']*'?|[^\s,}\]#][^,}\]#]*)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST = 4_000
"""A value whose quote is not closed by then is taken to go on to the end of the file."""
_PEM = "-----BEGIN"


def conceal(text: str) -> str:
    """A message with everything masked that looks like a secret."""
    text = _IN_TEXT.sub(rf"\1{MASK}", text)
    text = _without_login(text)
    return re.sub(r"(://[^\s?]{0,300})\?[^\s\"']+", rf"\1?{MASK}", text)


def _without_login(text: str) -> str:
    """Nothing is shown between the first :// and the last @, and nothing after a # behind them."""
    first, last = text.find("://"), text.rfind("@")
    if 0 <= first < last:
        text = f"{text[: first + 3]}{MASK}{text[last:]}"
    fragment = text.find("#", first) if first >= 0 else -1
    return text if fragment < 0 else f"{text[: fragment + 1]}{MASK}"


def masked_from(lines: Sequence[str]) -> dict[int, int]:
    """For each line (from 0) with a secret the column (from 0) from which nothing is shown."""
    found: dict[int, int] = {}
    text = "\n".join(lines)
    starts = [0]
    for each in lines:
        starts.append(starts[-1] + len(each) + 1)
    for first_of_key, behind in _keys(text, starts):
        at = bisect_right(starts, first_of_key) - 1
        end = max(at, bisect_right(starts, behind - 1) - 1)
        column = first_of_key - starts[at]
        if column >= found.get(at, column + 1):
            continue  # within the value of another key
        for number, first in _value(lines, at, column, end, behind - starts[end]):
            found[number] = min(found.get(number, first), first)
    found.update(dict.fromkeys(_pem(lines), 0))
    return found


def _keys(text: str, starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each key of a secret begins, and where its colon, or it itself, ends."""
    # Comments and blank lines are gone through once, however many words stand in them.
    run, line, lead = range(0), -1, 0
    for word in _WORD.finditer(text):
        if not is_secret_key(word[0]):
            continue
        at = _end(_REST, text, word.end())
        if text[at : at + 1] == "\n":
            run = run if at in run else range(at, _end(_LINES, text, at))
            at = run.stop
        if text[at : at + 1] in (":", "="):
            yield word.start(), at + 1
        elif behind := _AFTER.match(text, word.end()):
            begin = starts[bisect_right(starts, word.start()) - 1]
            if begin != line:
                line, lead = begin, _end(_BEFORE, text, begin)
            if lead == word.start():
                yield word.start(), behind.end()


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a pattern that matches anything ends."""
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _value(
    lines: Sequence[str], at: int, column: int, end: int, after: int
) -> Iterator[tuple[int, int]]:
    """The lines of a secret's value: line, and the column from which it is masked."""
    before, rest = lines[at][:column], lines[end][after:]
    first = len(lines[end]) - len(rest.lstrip())
    rest = rest.strip()
    if _WHOLE_REFERENCE.match(rest):
        return
    is_block = not before.strip(" \t-?\"'")
    limit = column if is_block else _indent(lines[at])
    if rest:
        yield end, first
    is_later = bool(_LATER.fullmatch(rest))
    is_open = _is_open(rest)
    for number in range(end + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        deeper = _indent(line) > limit
        item = _indent(line) == limit and line.lstrip().startswith("- ")
        first_of_it = is_later and (not _LOOKS_LIKE_KEY.match(line) or rest[:1] in ("|", ">"))
        if not (is_open or deeper or item or first_of_it):
            return
        yield number, 0
        is_later = is_later and line.lstrip().startswith("#")
        if is_open:
            rest += "\n" + line
            is_open = len(rest) > _LONGEST or _is_open(rest)


def _is_open(value: str) -> bool:
    """Whether a quote or bracket that starts the value is not closed in it."""
    if value[:1] == '"':
        return not re.search(r'(?<!\\)(?:\\\\)*"', value[1:])
    if value[:1] == "'":
        return "'" not in value[1:].replace("''", "")
    opened = value.count("[") + value.count("{") - value.count("]") - value.count("}")
    return value[:1] in ("[", "{") and opened > 0


def _indent(line: str) -> int:
    wide = line.expandtabs(8)
    return len(wide) - len(wide.lstrip())


def _pem(lines: Sequence[str]) -> Iterator[int]:
    """The lines of keys and certificates that are written into the file."""
    inside = False
    for number, line in enumerate(lines):
        inside = inside or _PEM in line
        if inside:
            yield number
        inside = inside and "-----END" not in line


def shown_line(line: str, first: int | None) -> str:
    """A line as it may be shown; `first` is the column from which it is masked."""
    text = line if first is None else line[:first] + MASK
    text = _without_login(_COMMENT.sub("", text).rstrip())
    for pattern, instead in _SHOWN:
        text = pattern.sub(instead, text)
    return text


_NAMED_BY_PEOPLE = ("sources", "detectors", "sinks", "templates", "tags", "enumeration")


def secrets_in(data: Any, within: str = "", *, inside: bool = False) -> Iterator[str]:
    """Every text in the data of a file that stands where a secret belongs, keys included."""
    if isinstance(data, dict):
        for key, value in data.items():
            is_name = within in _NAMED_BY_PEOPLE and (
                isinstance(value, dict) or within == "enumeration"
            )
            if inside:
                yield str(key)
            below = inside or (is_secret_key(str(key)) and not is_name)
            yield from secrets_in(value, str(key), inside=below)
    elif isinstance(data, list):
        for value in data:
            yield from secrets_in(value, within, inside=inside)
    elif inside and data is not None:
        if not REFERENCE.fullmatch(str(data)):
            yield str(data)
    elif isinstance(data, str):
        yield from _in_url(data)


def _in_url(text: str) -> Iterator[str]:
    """The login and the query of a URL; a search that starts at every :// would take too long."""
    if "@" in text:
        yield text.removeprefix("://").rpartition("@")[0]
    query = re.search(r"[?#](.*)", text.partition("://")[2], re.DOTALL)
    if query:
        yield query[1]
