"""Translates pydantic's errors to problems at a line of the file, in the file's own terms.

Promises
- Every error of every plugin's options has a place: the key or value itself, else the nearest
  enclosing one.
- An unknown key comes with the key that was probably meant, or the section where it belongs.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from gateway.api.options import Name
from gateway.config import plugins
from gateway.config.document import Document, Where, dotted
from gateway.config.locate import Model, Spot, fields, find, is_model, plain, types_of
from gateway.config.problems import SECRET_KEY, Problem
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


def _unknown_key(document: Document, spot: Spot) -> tuple[Problem, str]:
    """The problem, and the key that was probably meant (empty if none is similar)."""
    key = str(spot.where[-1])
    at, model = spot.models[-1]
    known = list(fields(model))
    elsewhere = _belongs(key, spot)
    near = get_close_matches(key.lower(), known, 1, 0.6)
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

_WORDS = {
    "string_type": "must be text, not {it}",
    "int_type": "must be a whole number, not {it}",
    "int_from_float": "must be a whole number, not {it}",
    "int_parsing": "must be a whole number, not {it}",
    "float_type": "must be a number, not {it}",
    "float_parsing": "must be a number, not {it}",
    "bool_type": "must be true or false, not {it}",
    "bool_parsing": "must be true or false, not {it}",
    "dict_type": "must hold keys and values, not {it}",
    "model_type": "must hold keys and values, not {it}",
    "model_attributes_type": "must hold keys and values, not {it}",
    "list_type": "must be a list, not {it}",
    "tuple_type": "must be a list, not {it}",
    "set_type": "must be a list, not {it}",
    "finite_number": "must be a finite number, not {it}",
    "greater_than": "must be greater than {gt}, not {it}",
    "greater_than_equal": "must be at least {ge}, not {it}",
    "less_than": "must be less than {lt}, not {it}",
    "less_than_equal": "must be at most {le}, not {it}",
    "multiple_of": "must be a multiple of {multiple_of}, not {it}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
}


def _explained(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    special = _SPECIAL.get(detail["type"])
    problem = special(document, spot, detail) if special else _plainly(document, spot, detail)
    if problem.hint or not spot.field or not spot.field.description:
        return problem
    # The field's own docstring is the best hint.
    return replace(problem, hint=" ".join(spot.field.description.split()))


def _plainly(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    words = _WORDS.get(detail["type"])
    if words is None:
        message = str(detail["msg"]).removeprefix("Value error, ")
    else:
        facts = {key: value for key, value in detail.get("ctx", {}).items() if key != "it"}
        message = words.format(it=_shown(detail["input"], spot.where), **facts)
    hint = ""
    if detail["type"] == "string_type" and isinstance(detail["input"], int | float):
        hint = f'put it in quotes: "{_shown(detail["input"], spot.where)}"'
    return document.problem(spot.where, " ".join(message.split()), hint, at="value")


def _missing(document: Document, spot: Spot, _detail: Mapping[str, Any]) -> Problem:
    return document.problem(spot.where, f'required: "{spot.where[-1]}" is missing')


def _one_of(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    expected = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    it = _shown(detail["input"], spot.where)
    choices = ", ".join(expected) or detail["ctx"]["expected"]
    message = f"must be {'one of ' if len(expected) > 1 else ''}{choices}, not {it}"
    return document.problem(spot.where, message, _near(detail["input"], expected), at="value")


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
    least = detail["ctx"]["min_length"]
    entries = "entry" if least == 1 else "entries"
    return document.problem(spot.where, f"must have at least {least} {entries}")


def _pattern(document: Document, spot: Spot, detail: Mapping[str, Any]) -> Problem:
    pattern = detail["ctx"]["pattern"]
    it = _shown(detail["input"], spot.where)
    at: Literal["key", "value"] = "key" if detail["loc"][-1] == "[key]" else "value"
    if any(getattr(fact, "pattern", None) == pattern for fact in _NAME.metadata):
        hint = "at most 64 letters, digits, '_', '-' and '.', starting with a letter"
        return document.problem(spot.where, f"{it} is not a name", hint, at=at)
    return document.problem(spot.where, f"{it} does not match the pattern {pattern}", at=at)


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


def _shown(value: object, where: Where) -> str:
    """A value as written in the file, shortened; a possible secret is not repeated."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list"
    if where and SECRET_KEY.search(str(where[-1])):
        return "this"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
