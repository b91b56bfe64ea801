"""What the fields of a payload mean: times, qualities, numbers in text (pure).

Promises
- A field is taken for a time only if its value is one within a year of now, and for a quality only
  if its value is one that is known.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.mqtt.texts import TextNumbers
from connectors.mqtt.times import FORMATS, TimeForm
from gateway.api.model import SECOND, Nanos

_AROUND_NOW: Nanos = 366 * 86400 * SECOND
_FORMS = ("iso", *(form for form in reversed(FORMATS) if form != "iso"))
_PATTERNS = ("%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S")
_TIMES = (
    *("sourcetimestamp", "t", "ts", "time", "timestamp", "at", "datetime", "date", "utc"),
    *("$date", "last_seen", "lastseen", "timeinseconds"),
)
_QUALITIES = ("q", "quality", "qualitystatus", "status", "statuscode", "opcquality")
_GOOD_WORDS = frozenset(("good", "ok", "valid"))
_OPC_GOOD, _OPC_QUALITIES = 192, frozenset((0, 64, 192))
_WITH_UNIT = re.compile(r"\s*[-+]?[\d.,]*\d\s*([^\d\s.,;:+-][^\d;,]{0,7}?)\s*")
_PADDED = re.compile(r"\s*0\d+\s*")


def time_format(value: Any, now: Nanos) -> str | None:
    """The format of a time, if it is within a year of `now`."""
    for form in (*_FORMS, *_PATTERNS):
        at = TimeForm(form).read(value, now)
        if at is not None and abs(at - now) < _AROUND_NOW:
            return form
    return None


def times_in(node: Mapping[str, Any], now: Nanos) -> list[tuple[str, str]]:
    """The keys of an object that hold a time, each with its format, the best one first."""
    found = [
        (key, form)
        for key, value in node.items()
        if (_is_time(key) and (form := time_format(value, now)) is not None)
    ]
    order = {name: at for at, name in enumerate(_TIMES)}
    return sorted(found, key=lambda each: order.get(each[0].lower(), len(order)))


def _is_time(key: str) -> bool:
    return key.lower() in _TIMES or key.lower().endswith(("time", "timestamp"))


def has_no_zone(value: Any, form: str) -> bool:
    """True if a time of day says nothing about its zone."""
    if not isinstance(value, str) or not (form == "iso" or "%" in form):
        return False
    try:
        return "%" in form or datetime.fromisoformat(value.strip()).tzinfo is None
    except ValueError:
        return False


def quality_in(node: Mapping[str, Any]) -> tuple[tuple[str, ...], Any] | None:
    """The keys to the quality of the values in an object, and the quality that is good."""
    if len(node) < 2:
        return None
    for key, value in node.items():
        if key.lower() not in _QUALITIES:
            continue
        inner = quality_in({**value, "": None}) if isinstance(value, dict) else None
        if inner is None and isinstance(value, dict) and isinstance(value.get("Symbol"), str):
            inner = ("Symbol",), "Good"
        if inner is not None:
            return (key, *inner[0]), inner[1]
        good = _good(value, is_number=key.lower() in ("quality", "opcquality"))
        if good is not None:
            return (key,), good
    return None


def _good(value: Any, *, is_number: bool) -> Any:
    """The good quality of the kind that `value` is of; None if it is no quality."""
    if isinstance(value, bool):
        return True
    if isinstance(value, str):
        word = value.lower()
        return value if word in _GOOD_WORDS else ("good" if word in ("bad", "uncertain") else None)
    if value == _OPC_GOOD or (is_number and value in _OPC_QUALITIES):
        return _OPC_GOOD
    return None


def numbers_as_text(text: str) -> tuple[float | None, dict[str, Any]]:
    """The number in a text, and the options that read it; None if there is none."""
    if _PADDED.fullmatch(text):
        return None, {}  # more likely an order number
    unit = match[1].strip() if (match := _WITH_UNIT.fullmatch(text)) else ""
    units: tuple[dict[str, Any], ...] = ({}, {"unit": unit}) if unit else ({},)
    for more in units:
        for mark in (".", ","):
            value = TextNumbers({}, "number", mark, more.get("unit", "")).number(text)
            if value is not None:
                decimal = {"decimal": ","} if mark == "," else {}
                return value, {"text": "number", **decimal, **more}
    return None, {}
