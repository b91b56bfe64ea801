"""File data together with the line and column of every key and value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from gateway.api.files import FileUnreadable
from gateway.api.masking import MASK
from gateway.config.conceal import conceal, masked_from, secrets_in, shown_line
from gateway.config.problems import Problem
from gateway.config.table import RowPlace

Where = tuple[str | int, ...]
Mark = tuple[int, int]


@dataclass
class Document:
    """File data with the line and column (from 1) of every key and value.

    Once templates and tables are expanded, `data` holds the result. Then `origins` maps each
    expanded path to the path that was written, `places` maps paths to rows of other files, and
    `devices` maps each expanded source to its template.
    """

    file: str
    lines: Sequence[str]
    data: Any = None
    written: Any = None
    """The data before templates were expanded."""
    keys: dict[Where, Mark] = field(default_factory=dict)
    values: dict[Where, Mark] = field(default_factory=dict)
    origins: dict[Where, Where] = field(default_factory=dict)
    places: dict[Where, RowPlace] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)

    def problem(
        self,
        where: Where,
        message: str,
        hint: str = "",
        *,
        at: Literal["key", "value"] = "key",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at the key or value itself, else at the nearest enclosing one in the file."""
        written = self.origin(where)
        place = self._place(written)
        if place is None:
            problem = self.flaw(self.mark(where, at), dotted(written), message, hint, level)
        else:
            problem = replace(place.problem(dotted(written), message, hint), level=level)
        is_made = where[:1] == ("sources",) and len(where) > 1 and where[1] in self.devices
        return replace(problem, device=str(where[1])) if is_made else problem

    def flaw(
        self,
        mark: Mark,
        path: str,
        message: str,
        hint: str = "",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at a line and column."""
        message, hint = conceal(message), conceal(hint)
        path, message, hint = (self._without_secrets(each) for each in (path, message, hint))
        return Problem(self.file, *mark, path, message, hint, self._shown(mark[0] - 1), level)

    def unreadable(self, where: Where, error: FileUnreadable) -> Problem:
        """The problem of a file that cannot be read, where it is named."""
        return replace(self.problem(where, str(error), at="value"), may_pass=error.may_pass)

    def hides(self, mark: Mark) -> bool:
        """Whether what is written at a line and column may be a secret."""
        return mark[1] - 1 >= self._masked_from.get(mark[0] - 1, mark[1])

    def _shown(self, number: int) -> str:
        """The line with this number (from 0) as it may be shown."""
        if number >= len(self.lines):
            return ""
        if number not in self._excerpts:
            text = shown_line(self.lines[number], self._masked_from.get(number))
            self._excerpts[number] = self._without_secrets(text)
        return self._excerpts[number]

    def _without_secrets(self, text: str) -> str:
        return self._secrets.sub(MASK, text) if self._secrets else text

    @cached_property
    def _excerpts(self) -> dict[int, str]:
        return {}

    @cached_property
    def _masked_from(self) -> Mapping[int, int]:
        return masked_from(self.lines)

    @cached_property
    def _secrets(self) -> re.Pattern[str] | None:
        """Secrets that are written in clear text; an escaped key shows only here."""
        written = {each.strip() for each in secrets_in(self.written)}
        found = sorted((each for each in written if len(each) >= 3), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, found))) if found else None

    def mark(self, where: Where, at: Literal["key", "value"] = "key") -> Mark:
        """Line and column of the key, or of the value if it is a scalar."""
        where = self.origin(where)
        if at == "value" and where in self.values:
            return self.values[where]
        while where and where not in self.keys:
            where = where[:-1]
        return self.keys.get(where, (1, 1))

    def origin(self, where: Where) -> Where:
        """The path as written, before templates were expanded."""
        if not self.origins:
            return where
        for end in range(len(where), 0, -1):
            if where[:end] in self.origins:
                return (*self.origins[where[:end]], *where[end:])
        return where

    def is_written(self, where: Where) -> bool:
        """Whether the key is in the file."""
        return self.origin(where) in self.keys

    def _place(self, written: Where) -> RowPlace | None:
        ends = range(len(written), 0, -1) if self.places else ()
        return next((self.places[written[:n]] for n in ends if written[:n] in self.places), None)

    def mapping(self, *where: str | int) -> Mapping[str, Any]:
        """The mapping at that path; empty if it is missing or not a mapping."""
        value = self.get(*where)
        return value if isinstance(value, dict) else {}

    def get(self, *where: str | int) -> Any:
        """The value at that path; None if it is missing."""
        value = self.data
        for part in where:
            if not (isinstance(value, dict) and part in value):
                return None
            value = value[part]
        return value


def dotted(where: Where) -> str:
    """('sources', 'plc', 'port') -> 'sources.plc.port'."""
    return ".".join(map(str, where))
