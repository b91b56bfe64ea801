"""Problems of a file: what is wrong, where, and what would be right.

Promises
- All problems of a file are reported at once, in the order of its lines.
- No secret is repeated: see conceal.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gateway.api.contracts import ConfigError
from gateway.api.files import FileUnreadable

_WIDTH = 100
_PATH = 200
"""Characters of a path to a mistake, whose keys may be of any length."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `line` and `column` count from 1; `text` is that line of the file.

    `path` is the dotted path to it (`sources.plc.port`), empty if it concerns the whole file.
    `device` is the expanded source concerned, if the text belongs to a template.
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
    may_pass: bool = False
    """Whether it may be gone by itself, as a file on a mount that is not there yet."""

    @property
    def headline(self) -> str:
        """`file:line:column: path: message`, which editors and terminals show as a link."""
        path = self.path if len(self.path) <= _PATH else f"{self.path[:_PATH]}..."
        parts = (f"{self.file}:{self.line}:{self.column}", path, self.message)
        return ": ".join(part for part in parts if part)

    def __str__(self) -> str:
        lines = [self.headline]
        if self.text.strip():
            lines += _excerpt(self.text, self.column)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


Named = Callable[[FileUnreadable], Problem]
"""Reports a file that cannot be read at the place that names it."""


class ConfigProblems(ConfigError):  # noqa: N818 - a ConfigError that knows each of its problems
    """All problems of a line file and the files it names, in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))
        # One is enough: the others may be its consequences, as without the site file.
        self.may_pass = any(problem.may_pass for problem in errors(self.problems))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems sorted by file and line, without duplicates."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.file, p.line, p.column, p.path, p.message)))


def joined(problems: Iterable[Problem], devices: Mapping[str, str]) -> list[Problem]:
    """Merges the problems that one mistake in a template causes for several devices.

    A problem that all devices share is reported once, any other names its devices. `devices` maps
    each expanded source to its template.
    """
    merged: list[Problem] = []
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        if problem.device:
            # The value after ", not" differs from device to device.
            shared = problem.message.rpartition(", not ")[0] or problem.message
            place = (problem.file, problem.line, problem.column, problem.path)
            groups.setdefault((*place, shared, problem.level), []).append(problem)
        else:
            merged.append(problem)
    sizes = Counter(devices.values())
    return merged + [_joined(group, sizes[devices[group[0].device]]) for group in groups.values()]


def _joined(group: Sequence[Problem], total: int) -> Problem:
    first = group[0]
    names = list(dict.fromkeys(problem.device for problem in group))
    if len(names) == total and total > 1 and len({p.message for p in group}) == 1:
        return replace(first, device="")
    others = len(names) - 1
    more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
    return replace(first, message=f"{first.message} (device {first.device}{more})")


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that stop a line from running, without warnings."""
    return [problem for problem in problems if problem.level == "error"]


def unreadable(path: Path, error: FileUnreadable) -> Problem:
    """The problem of a file that cannot be read."""
    why = f"cannot be read: {error.why}"
    return Problem(str(path), 1, 1, "", why, may_pass=error.may_pass)


def as_errors(problems: Iterable[Problem]) -> list[Problem]:
    """The problems with warnings raised to errors, for `--strict`."""
    return [replace(problem, level="error") for problem in problems]


def _excerpt(text: str, column: int) -> list[str]:
    # Tabs and control characters would move the caret, or the user's terminal.
    whole = text.rstrip()
    first = max(0, column - _WIDTH * 3 // 4) if len(whole) > _WIDTH else 0
    part = whole[first : first + _WIDTH]
    clean = "".join(char if char.isprintable() else " " for char in part)
    return [f"    {clean}", " " * (4 + column - 1 - first) + "^"]
