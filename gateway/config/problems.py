"""A mistake in a file, at its place, in words that say what would be right.

Promises
- Every problem of a file is reported at once, in the order of the lines.
- No secret is repeated: what stands behind `password:` or in a URL's user part is blotted out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gateway.api.contracts import ConfigError

SECRET_KEY = re.compile(r"(?:^|[_-])(?:password|passwd|token|secret|api_?key)$", re.IGNORECASE)

_WRITTEN = re.compile(
    r"""((?:password|passwd|token|secret|api_?key)["']?\s*:\s+)  # the key
        (?!["']?\$\{)                                        # a reference may be shown
        ("[^"]*"?|'[^']*'?|[^\s,}\]#][^,}\]#]*)              # the value
    """,
    re.IGNORECASE | re.VERBOSE,
)
_IN_URL = re.compile(r"(://[^/\s:@]*):[^@\s]+@")
_WIDTH = 100


def conceal(text: str) -> str:
    """The text without anything that looks like a secret in clear text."""
    return _IN_URL.sub(r"\1:********@", _WRITTEN.sub(r"\1********", text))


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` and `column` count from 1; `text` is the line as it stands in the file.

    `path` is the dotted way to it (`sources.plc.port`), empty when it concerns the whole file.
    `device` is the source for which it was found, where a template made many of one text.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    text: str = ""
    level: Literal["error", "warning"] = "error"
    device: str = ""

    @property
    def headline(self) -> str:
        """`file:line:column: path: message`, which editors and terminals turn into a link."""
        parts = (f"{self.file}:{self.line}:{self.column}", self.path, self.message)
        return ": ".join(part for part in parts if part)

    def __str__(self) -> str:
        lines = [self.headline]
        if self.text.strip():
            lines += _excerpt(self.text, self.column)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ConfigProblems(ConfigError):  # noqa: N818 - a ConfigError that knows each of its problems
    """What is wrong with a line file and the files it names; `problems` in order of the lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by file and line; a second problem that says the same is left out."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.file, p.line, p.column, p.path, p.message)))


def joined(problems: Iterable[Problem], devices: Mapping[str, str]) -> list[Problem]:
    """What is wrong in a template is said once, what is wrong with a device names it.

    `devices` is the template of each source that was made from one.
    """
    found: list[Problem] = []
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        if problem.device:
            # What stands behind ", not" differs from device to device.
            said = problem.message.rpartition(", not ")[0] or problem.message
            place = (problem.file, problem.line, problem.column, problem.path)
            groups.setdefault((*place, said, problem.level), []).append(problem)
        else:
            found.append(problem)
    sizes = Counter(devices.values())
    return found + [_joined(group, sizes[devices[group[0].device]]) for group in groups.values()]


def _joined(group: Sequence[Problem], all_of_them: int) -> Problem:
    first = group[0]
    names = list(dict.fromkeys(problem.device for problem in group))
    if len(names) == all_of_them and all_of_them > 1 and len({p.message for p in group}) == 1:
        return replace(first, device="")
    others = len(names) - 1
    more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
    return replace(first, message=f"{first.message} (device {first.device}{more})")


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that stop a line from running."""
    return [problem for problem in problems if problem.level == "error"]


def unreadable(path: Path, error: OSError) -> Problem:
    """The file cannot be opened at all."""
    return Problem(str(path), 1, 1, "", f"cannot be read: {error.strerror or error}")


def as_errors(problems: Iterable[Problem]) -> list[Problem]:
    """Warnings raised to errors, for `--strict`."""
    return [replace(problem, level="error") for problem in problems]


def _excerpt(text: str, column: int) -> list[str]:
    # Tabs and control characters would move the caret, or the user's terminal.
    clean = "".join(char if char.isprintable() else " " for char in text.rstrip())
    first = max(0, column - _WIDTH * 3 // 4) if len(clean) > _WIDTH else 0
    return [f"    {clean[first : first + _WIDTH]}", " " * (4 + column - 1 - first) + "^"]
