"""InfluxDB line protocol: one point is one line of bytes. Pure.

Promises
- The same point gives the same bytes, so sending a line twice stores it once.
- `decode` is the exact inverse of `encode` for every line that `encode` wrote.
"""

import functools
import math
import re

import numpy as np

from gateway.api.model import Point

Value = float | int | bool | str

_INT64 = 2**63
# A line break would end the line, servers disagree about the other control characters, and half of
# a surrogate pair, which a device may send in a text, is not UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_IN_NAME = re.compile(r"([,= ])")
_IN_TEXT = re.compile(r'(["\\])')

_NAME = rb"(?:[^\\,= ]|\\[,= ])+"
_VALUE = rb'(?:"(?:[^"\\]|\\["\\])*"|[^\\,= "]+)'
_LINE = re.compile(
    rb"(?P<measurement>" + _NAME + rb")(?P<tags>(?:," + _NAME + rb"=" + _NAME + rb")*)"
    rb" (?P<fields>" + _NAME + rb"=" + _VALUE + rb"(?:," + _NAME + rb"=" + _VALUE + rb")*)"
    rb" (?P<at>-?\d+)"
)
_TAG = re.compile(rb"(" + _NAME + rb")=(" + _NAME + rb")")
_FIELD = re.compile(rb"(" + _NAME + rb")=(" + _VALUE + rb")(?:,|$)")
_ESCAPED_NAME = re.compile(rb"\\([,= ])")
_ESCAPED_TEXT = re.compile(rb'\\(["\\])')


def encode(point: Point) -> bytes:
    """One line of line protocol, without the line break; tags sorted, fields in their order.

    Control characters and lone surrogates become spaces. A backslash in a name or a tag's value
    becomes a slash, because line protocol cannot escape it there. Left out: tags with an empty
    value, fields that are NaN or infinite, and of names that become the same all but the last.
    ValueError: no field is left, an empty name, an integer beyond 64 bits, a value of another type.
    """
    measurement = _name(point.measurement)
    if measurement.startswith("#"):
        raise ValueError(f"a line that starts with {measurement!r} is a comment")
    # Cleaned before they are sorted, so that two lines of one point cannot differ in their order.
    tags = {_name(key): _name(value) for key, value in point.tags.items() if value}
    fields = {
        _name(key): _value(key, value)
        for key, value in point.fields.items()
        if not _is_unsayable(value)
    }
    if not fields:
        raise ValueError(f"a point of {point.measurement} without a field")
    key = "".join(f",{name}={tags[name]}" for name in sorted(tags))
    columns = ",".join(f"{name}={value}" for name, value in fields.items())
    return f"{measurement}{key} {columns} {_integer('time', point.at)}".encode()


def _is_unsayable(value: Value) -> bool:
    return isinstance(value, float | np.floating) and not math.isfinite(value)


# The names of a line are few and come again in every point.
@functools.lru_cache(8192)
def _name(text: str) -> str:
    if not text:
        raise ValueError("an empty name")
    return _IN_NAME.sub(r"\\\1", _CONTROL.sub(" ", text).replace("\\", "/"))


def _value(key: str, value: Value) -> str:
    if isinstance(value, str):
        return '"' + _IN_TEXT.sub(r"\\\1", _CONTROL.sub(" ", value)) + '"'
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return f"{_integer(key, int(value))}i"
    if isinstance(value, float | np.floating):
        return repr(float(value))
    raise ValueError(f"the field {key} is a {type(value).__name__}")


def _integer(key: str, value: int) -> int:
    if not -_INT64 <= value < _INT64:
        raise ValueError(f"{key} = {value} needs more than 64 bits")
    return value


def decode(line: bytes) -> Point:
    """The point of a line that `encode` wrote; ValueError for anything else."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line that andon wrote: {line[:80]!r}")
    tags = {_plain_name(k): _plain_name(v) for k, v in _TAG.findall(match["tags"])}
    fields = {_plain_name(k): _plain_value(v) for k, v in _FIELD.findall(match["fields"])}
    return Point(_plain_name(match["measurement"]), tags, fields, int(match["at"]))


def _plain_name(text: bytes) -> str:
    return _ESCAPED_NAME.sub(rb"\1", text).decode()


def _plain_value(text: bytes) -> Value:
    if text.startswith(b'"'):
        return _ESCAPED_TEXT.sub(rb"\1", text[1:-1]).decode()
    if text in (b"true", b"false"):
        return text == b"true"
    if text.endswith(b"i"):
        return int(text[:-1])
    return float(text)
