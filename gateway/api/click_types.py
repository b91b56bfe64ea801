"""Types of the command line's options: text as people write it, or what would be right (exit 2).

A default that is a number is in nanoseconds already and stays as it is.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from gateway.api.model import Nanos
from gateway.api.options import parse_duration

_EPOCH = datetime.fromtimestamp(0, UTC)


class _Duration(click.ParamType[Nanos]):
    name = "duration"

    def __init__(self, most: str = "") -> None:
        self._most = most

    def convert(self, value: Any, param: Any, ctx: Any) -> Nanos:
        try:
            length = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._most and not 0 < length <= parse_duration(self._most):
            self.fail(f"{value!r}: it must be more than 0 and at most {self._most}", param, ctx)
        return length


class _Moment(click.ParamType[Nanos]):
    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> Nanos:
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write it as in 2026-01-31T12:00:00Z", param, ctx)
        since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
        return since // timedelta(microseconds=1) * 1_000


DURATION = _Duration()
"""'500ms', '5s', '2h' as nanoseconds."""


def up_to(most: str) -> click.ParamType[Nanos]:
    """Such a duration, more than 0 and at most this."""
    return _Duration(most)


MOMENT = _Moment()
"""ISO 8601 as UTC nanoseconds; UTC unless it says otherwise."""
