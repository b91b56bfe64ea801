"""Translates pydantic's errors to problems at a line of the file, in the file's own terms.

Promises
- Every error of every plugin's options has a place: the key or value itself, else the nearest
  enclosing one.
- An unknown key comes with the key that was probably meant, or the section where it belongs.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gateway.api.mistakes import choices, message_of, shown
from gateway.api.options import Name
from gateway.config import plugins
from gateway.config.document import Document, Where, dotted
from gateway.config.locate import Model, Spot, fields, find, is_model, plain, types_of
from gateway.config.problems import Problem
from gateway.config.schema import SiteFileBase

_NAME: FieldInfo = get_args(Name)[1]


def explain(error: ValidationError, document: Document, model: Model) -> list[Problem]:
    """One problem for each mistake; `model` is the one that the document was validated with."""
    problems: list[Problem] = []
    meant: set[Where] = set()
    details = [
        (detail, find(document, model, detail["loc"])) for detail in error.errors(include_url=False)
    ]
    for detail, spot in details:
        if detail["type"] == "extra_forbidden":
            problem, key = _unknown_key(document, spot)
            meant.add((*spot.where[:-1], key))
            problems.append(problem)
    # A mistyped key is one mistake, not a missing key as well.
    problems += [
        _explained(document, spot, detail)
        for detail, spot in details
        if detail["type"] != "extra_forbidden"
        and not (detail["type"] == "missing" and spot.where in meant)
    ]
    return _joined(problems)


def _joined(problems: Sequence[Problem]) -> list[Problem]:
    """Merges the errors that pydantic reports for each type of a value that may have several."""
    same: dict[tuple[str, str, int, int, str], Problem] = {}
    for problem in problems:
        place = (
            problem.device,
            problem.path,
            problem.line,
            problem.column,
            problem.message.rpartition(", not ")[2],
        )
        first = same.setdefault(place, problem)
        if problem.message.startswith("must be ") and problem.message not in first.message:
            wanted = problem.message.removeprefix("must be ")
            message = f"{first.message.rpartition(', not ')[0]} or {wanted}"
            same[place] = replace(first, message=message)
    return list(same.values())


# Unknown keys ---------------------------------------------------------------------------------


_MEANT = {"time": "timestamp", "clock": "timestamp"}
"""Keys that people write, and what is meant, where the names are too different to guess."""


def _unknown_key(document: Document, spot: Spot) -> tuple[Problem, str]:
    """The problem, and the key that was probably meant (empty if none is similar)."""
    key = str(spot.where[-1])
    at, model = spot.models[-1]
    known = list(fields(model))
    elsewhere = _belongs(key, spot)
    meant = _MEANT.get(key)
    near = [meant] if meant in known else get_close_matches(key.lower(), known, 1, 0.6)
    if elsewhere:
        hint, near = f"`{key}` belongs {elsewhere}", []
    elif near:
        hint = f'did you mean "{near[0]}"?'
    elif set(known) & set(document.mapping(*at)) == set(known):
        hint = ""
    else:
        hint = "known here: " + ", ".join(name for name in known if name != "type")
    return document.problem(spot.where, "unknown key", hint), near[0] if near else ""


def _belongs(key: str, spot: Spot) -> str:
    """Where a misplaced key belongs, as in 'under summaries'."""
    at, model = spot.models[-1]
    for name, field in fields(model).items():
        inner = plain(field.annotation)
        if is_model(inner) and key in fields(inner):
            return f"under {dotted((*at, name))}"
    for outer_at, outer in reversed(spot.models[:-1]):
        if key in fields(outer):
            return f"under {dotted(outer_at)}" if outer_at else "at the top level of the file"
    if not at and key in fields(SiteFileBase):
        return "in the site file (see site_file)"
    owners = [name for other in spot.choices if key in fields(other) for name in types_of(other)]
    return f"to type {' or '.join(sorted(owners))}, not {types_of(model)[0]}" if owners else ""


# All other errors -----------------------------------------------------------------------------


def _explained(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    special = _SPECIAL.get(detail["type"])
    problem = special(document, spot, detail) if special else _plainly(document, spot, detail)
    if problem.hint or not spot.field or not spot.field.description:
        return problem
    # The field's own docstring is the best hint.
    return replace(problem, hint=" ".join(spot.field.description.split()))


def _plainly(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    hint = ""
    if detail["type"] == "string_type" and isinstance(detail["input"], int | float):
        hint = f'put it in quotes: "{_shown(detail["input"], spot.where)}"'
    return document.problem(spot.where, message_of(detail, _key(spot.where)), hint, at="value")


def _missing(document: Document, spot: Spot, _detail: Mapping[str, Any]) -> Problem:
    return document.problem(spot.where, f'required: "{spot.where[-1]}" is missing')


def _one_of(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    message, near = message_of(detail, _key(spot.where)), _near(detail["input"], choices(detail))
    return document.problem(spot.where, message, near, at="value")


def _no_type(document: Document, spot: Spot, _detail: Mapping[str, Any]) -> Problem:
    types = ", ".join(sorted(name for model in spot.choices for name in types_of(model)))
    hint = f"installed: {types}" if types else ""
    return document.problem((*spot.where, "type"), 'required: "type" is missing', hint)


_GROUPS = {
    "sources": plugins.CONNECTORS,
    "detectors": plugins.DETECTORS,
    "sinks": plugins.SINKS,
}


def _unknown_type(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    expected = re.findall(r"'([^']*)'", detail["ctx"]["expected_tags"])
    where = (*spot.where, detail["ctx"]["discriminator"].strip("'"))
    tag = detail["ctx"]["tag"]
    near = _near(tag, expected)
    hint = f"{near} installed: {', '.join(expected)}".strip()
    group = _GROUPS.get(str(where[0]), "")
    hint = plugins.why_broken(group, str(tag)) or hint
    return document.problem(where, f'unknown type "{tag}"', hint, at="value")


def _too_short(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    return document.problem(spot.where, message_of(detail))


def _pattern(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    pattern = detail["ctx"]["pattern"]
    it = _shown(detail["input"], spot.where)
    at: Literal["key", "value"] = "key" if detail["loc"][-1] == "[key]" else "value"
    if any(getattr(fact, "pattern", None) == pattern for fact in _NAME.metadata):
        hint = "at most 64 letters, digits, '_', '-' and '.', starting with a letter"
        return document.problem(spot.where, f"{it} is not a name", hint, at=at)
    hint = "" if spot.field and spot.field.description else f"the form is {pattern}"
    return document.problem(spot.where, message_of(detail, _key(spot.where)), hint, at=at)


_SPECIAL: dict[str, Callable[[Document, Spot, Mapping[str, Any]], Problem]] = {
    "missing": _missing,
    "enum": _one_of,
    "literal_error": _one_of,
    "union_tag_not_found": _no_type,
    "union_tag_invalid": _unknown_type,
    "too_short": _too_short,
    "string_pattern_mismatch": _pattern,
}


def _near(value: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(value).lower(), known, 1, 0.6)
    return f'did you mean "{near[0]}"?' if near else ""


def _key(where: Where) -> str:
    return str(where[-1]) if where else ""


def _shown(value: object, where: Where) -> str:
    return shown(value, _key(where))
