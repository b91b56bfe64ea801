"""Maps the path of a pydantic error to a place in the file and to the schema's types there.

Promises
- Parts of a path that are not in the file (discriminators, union members, validator names) are
  left out, even if a key of the same name is beside them.
"""

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.document import Document, Where

Model = type[BaseModel]


@dataclass(frozen=True)
class Spot:
    """The place of an error in the file, and the schema's types there.

    `field` is the field concerned, None for an entry of a section; `models` are the models on the
    path, outermost first, each with its place; `choices` are the models allowed there.
    """

    where: Where
    field: FieldInfo | None
    models: Sequence[tuple[Where, Model]]
    choices: Sequence[Model] = ()


def find(document: Document, model: Model, loc: Iterable[str | int]) -> Spot:
    """Follows an error's path through the file and the schema at the same time."""
    where: Where = ()
    kind: Any = model
    field: FieldInfo | None = None
    models: list[tuple[Where, Model]] = []
    choices: Sequence[Model] = ()
    for part in loc:
        if _is_union(kind):
            choices, kind = _models(kind), _member(kind, part)
            continue
        if is_model(kind):
            models.append((where, kind))
            field = fields(kind).get(str(part))
            choices = choices if kind in choices else ()
        elif get_origin(kind) in (dict, Mapping):
            field = None  # a section's docstring does not describe its entries
        kind, is_written = _inner(kind, part)
        if is_written or document.is_written((*where, part)):
            where = (*where, part)
    choices = _models(kind) if _is_union(kind) else choices
    return Spot(where, field, models or [((), model)], choices)


def fields(model: Model) -> dict[str, FieldInfo]:
    """The fields of a model by their keys in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def types_of(model: Model) -> tuple[str, ...]:
    """The values of `type:` that select this model."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()


def is_model(kind: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def plain(kind: Any) -> Any:
    """The type without Annotated and without `| None`; a union with a discriminator is kept."""
    while get_origin(kind) is Annotated and not _is_tagged(kind):
        kind = get_args(kind)[0]
    if _is_union(kind) and not _is_tagged(kind):
        members = [member for member in get_args(kind) if member is not type(None)]
        return plain(members[0]) if len(members) == 1 else kind
    return kind


def _is_tagged(kind: Any) -> bool:
    """Whether a type has a discriminator, even with one choice (only one plugin installed)."""
    return any(getattr(fact, "discriminator", None) for fact in getattr(kind, "__metadata__", ()))


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) or _is_tagged(kind)


def _models(kind: Any) -> list[Model]:
    if _is_tagged(kind):
        choice = get_args(kind)[0]
        return [choice] if is_model(choice) else _models(choice)
    return [member for member in map(plain, get_args(kind)) if is_model(member)]


def _member(kind: Any, part: str | int) -> Any:
    """The union member that pydantic names by its discriminator's value or by its class name."""
    for model in _models(kind):
        if part in types_of(model) or model.__name__ == part:
            return model
    return None


def _inner(kind: Any, part: str | int) -> tuple[Any, bool]:
    """The type under a key or index, and whether the key is, or should be, in the file."""
    if is_model(kind):
        field = fields(kind).get(str(part))
        return (plain(field.annotation) if field else None), True
    if get_origin(kind) in (dict, Mapping):
        return plain(get_args(kind)[1]), part != "[key]"
    if get_origin(kind) in (list, tuple, Sequence):
        return plain(get_args(kind)[0]), True
    return None, False
