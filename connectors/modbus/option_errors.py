"""Several problems of a line file reported at once, each at its own field (pure)."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

FieldProblem = tuple[str, str, Any]
"""Field, what would be right, and the value given."""


def raise_problems(problems: Iterable[FieldProblem]) -> None:
    """Raises all of them in one ValidationError; returns if there are none."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", message), loc=(field,), input=given
        )
        for field, message, given in problems
    ]
    if errors:
        raise ValidationError.from_exception_data("Modbus", errors)


def missing_field(field: str, given: Any) -> ValidationError:
    """The error that pydantic raises for any other required field."""
    error = InitErrorDetails(type="missing", loc=(field,), input=given)
    return ValidationError.from_exception_data("Modbus", [error])
