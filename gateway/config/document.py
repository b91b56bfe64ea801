"""A file's data together with the line and column of every key and value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.config.problems import Problem, conceal

Where = tuple[str | int, ...]
Mark = tuple[int, int]


@dataclass
class Document:
    """A file's data with the place of every key and value (line and column from 1)."""

    file: str
    lines: Sequence[str]
    data: Any = None
    keys: dict[Where, Mark] = field(default_factory=dict)
    values: dict[Where, Mark] = field(default_factory=dict)

    def problem(
        self,
        where: Where,
        message: str,
        hint: str = "",
        *,
        at: Literal["key", "value"] = "key",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at the nearest place that stands in the file: itself, else what encloses it."""
        mark = self.mark(where, at)
        return self.flaw(mark, dotted(where), message, hint, level)

    def flaw(
        self,
        mark: Mark,
        path: str,
        message: str,
        hint: str = "",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at a line and column."""
        text = self.lines[mark[0] - 1] if mark[0] <= len(self.lines) else ""
        message, hint = conceal(message), conceal(hint)
        return Problem(self.file, *mark, path, message, hint, conceal(text), level)

    def mark(self, where: Where, at: Literal["key", "value"] = "key") -> Mark:
        """Line and column of the key, or of the value where that is a single one."""
        if at == "value" and where in self.values:
            return self.values[where]
        while where and where not in self.keys:
            where = where[:-1]
        return self.keys.get(where, (1, 1))

    def mapping(self, *where: str | int) -> Mapping[str, Any]:
        """The mapping that stands there; an empty one where it is missing or something else."""
        value = self.get(*where)
        return value if isinstance(value, dict) else {}

    def get(self, *where: str | int) -> Any:
        """The value that stands there, None where nothing does."""
        value = self.data
        for part in where:
            if not (isinstance(value, dict) and part in value):
                return None
            value = value[part]
        return value


def dotted(where: Where) -> str:
    """('sources', 'plc', 'port') -> 'sources.plc.port'."""
    return ".".join(map(str, where))
