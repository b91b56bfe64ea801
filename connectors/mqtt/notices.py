"""Events for operators, reported by modules that do not log (pure)."""

from typing import Protocol


class Notify(Protocol):
    """Reports an event with its fields; the connector logs it."""

    def __call__(self, event: str, /, **fields: object) -> None: ...
