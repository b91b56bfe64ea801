"""What a request asks for; BadRequest with a sentence for everything that makes no sense."""

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gateway.control.errors import BadRequest

BODY_BYTES = 2**18
"""A list of all the dead letters that are kept fits."""
LONGEST = 200
"""Characters of a text."""


async def json_body(
    request: web.Request, *names: str, optional: Sequence[str] = ()
) -> dict[str, Any]:
    """The JSON object in the body, which has these fields, may have the optional, and no other."""
    content = await request.read()
    if request.content_type != "application/json":
        raise BadRequest(f"the body must be application/json, not {request.content_type[:50]}")
    try:
        body = json.loads(content, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {str(error)[:LONGEST]}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    _check_names(list(body), (*names, *optional), "field")
    if missing := [name for name in names if name not in body]:
        raise BadRequest(f"{', '.join(missing)} must be given in the body")
    return body


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a field is given twice")
    return content


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def query(request: web.Request, **defaults: str) -> dict[str, str]:
    """The parameters of the address, which has no others; what is missing has its default."""
    given = [name for name, _ in request.query.items()]
    _check_names(given, list(defaults), "parameter")
    if len(given) > len(set(given)):
        raise BadRequest("a parameter is given twice")
    return defaults | dict(request.query)


def _check_names(given: list[str], known: Any, noun: str) -> None:
    for name in given:
        if name not in known:
            choice = f"known: {', '.join(known)}" if known else "there is none"
            raise BadRequest(f"there is no {noun} {name[:50]!r}: {choice}")


def text_field(body: dict[str, Any], name: str, longest: int = LONGEST) -> str:
    """A field that must be a text that can be shown, of 1 to `longest` characters."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{name} must be a text that is not empty")
    value = value.strip()
    if not value.isprintable():
        raise BadRequest(f"{name} holds a control character, or what is not Unicode")
    if len(value) > longest:
        raise BadRequest(f"{name} is longer than {longest} characters")
    return value


def number_field(body: dict[str, Any], name: str, most: float) -> float:
    """A field that must be a number above 0, up to `most`."""
    value = body.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most:
        return float(value)
    raise BadRequest(f"{name} must be a number above 0, up to {most:,.15g}")


def whole_number(text: str, name: str, most: int) -> int:
    """A number from 0 to `most` in decimal digits."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) <= most):
        raise BadRequest(f"{name} must be a whole number from 0 to {most:,}, not {text[:20]!r}")
    return int(text)
