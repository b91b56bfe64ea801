"""Several problems of a line file told at once, each at its own field (pure)."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Problem = tuple[str, str, Any]
"""Field, what would be right, and what stands there."""


def refuse(problems: Iterable[Problem]) -> None:
    """Raise all of them in one ValidationError; nothing if there are none."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", message), loc=(field,), input=given
        )
        for field, message, given in problems
    ]
    if errors:
        raise ValidationError.from_exception_data("Modbus", errors)


def missing(field: str, given: Any) -> ValidationError:
    """The same words as for any other required field."""
    error = InitErrorDetails(type="missing", loc=(field,), input=given)
    return ValidationError.from_exception_data("Modbus", [error])
