"""Bytes to columns: what a message says about the tags of its topic (pure).

Promises
- Never an exception, whatever the bytes are, and never a value that is not in them: null, NaN,
  infinity, a missing key, broken JSON or UTF-8, a payload that is too long are BAD, and so is text
  that the tag's enumeration does not name.
- A payload is decoded once for all tags of its topic.
- Where a tag has its own time and the payload does not bring one that can be read, the sample is
  BAD at the time of reception: a measurement of unknown age is none of now.
- Where the payload says of what quality the value is, anything but what was named as good is BAD.
- A retained message is UNCERTAIN unless it brings its own time and is younger than the tag's
  period: what a broker kept is never taken for fresh.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np

from connectors.mqtt.mailbox import MAX_PAYLOAD, Arrival
from connectors.mqtt.tags import TimeFormat
from gateway.api.model import SECOND, Nanos, Quality, SampleBatch

_EPOCH = datetime.fromtimestamp(0, UTC)
_UNITS: dict[TimeFormat, Nanos] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND}
# NaN and Infinity are no JSON, but Python's own encoder writes them: they cost only their own tag.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
Path = tuple[str, ...]
Row = tuple[int, Nanos, float, Quality]


@dataclass(frozen=True, slots=True)
class Field:
    """Where tag number `tag` stands in a payload, and what is possible for it.

    `period` is the expected time between two messages; `quality_good` is what stands at
    `quality_path` when the value is good; `texts` are the numbers that texts stand for.
    """

    tag: int
    path: Path = ()
    time_path: Path | None = None
    time_format: TimeFormat = "ns"
    period: Nanos = 5 * SECOND
    quality_path: Path | None = None
    quality_good: tuple[bool | float | str, ...] = ()
    texts: Mapping[str, float] | None = None


class Reading(NamedTuple):
    """What a payload says about one tag; `at` is None where it says no time, or none is asked."""

    value: float
    at: Nanos | None
    quality: Quality


_BAD = Reading(nan, None, Quality.BAD)


def steps(path: str) -> Path:
    """The steps of a path with dots, or of a JSON pointer (RFC 6901, section 4)."""
    if path.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    return tuple(path.split(".")) if path else ()


def decode(payload: bytes | None, fields: Iterable[Field]) -> list[Reading]:
    """One reading for each field; a payload of None was too long to be kept."""
    document = parse(payload)
    return [_read(document, field) for field in fields]


def parse(payload: bytes | None) -> Any:
    """The JSON document, or the text that stands there instead; None if it is neither."""
    if payload is None or len(payload) > MAX_PAYLOAD:
        return None
    try:
        text = payload.decode("utf-8-sig")
    except ValueError:
        return None
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return text.strip()


def _read(document: Any, field: Field) -> Reading:
    found = _follow(document, field.path)
    value = field.texts.get(found) if field.texts and isinstance(found, str) else number_of(found)
    if value is None or not _is_good(document, field):
        return _BAD
    if field.time_path is None:
        return Reading(value, None, Quality.GOOD)
    at = time_of(_follow(document, field.time_path), field.time_format)
    return _BAD if at is None else Reading(value, at, Quality.GOOD)


def _is_good(document: Any, field: Field) -> bool:
    if field.quality_path is None:
        return True
    said = _follow(document, field.quality_path)
    # Python holds 1 and true for the same, and an engineer does not.
    return any(
        said == good and isinstance(said, bool) is isinstance(good, bool)
        for good in field.quality_good
    )


def _follow(found: Any, path: Path) -> Any:
    for step in path:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdecimal():
            # A list within 1 MiB has fewer places than six digits can count.
            index = int(step) if len(step) < 7 else len(found)
            found = found[index] if index < len(found) else None
        else:
            return None
    return found


def number_of(found: Any) -> float | None:
    """What stands in JSON as a finite number; true and false are 1 and 0."""
    if not isinstance(found, int | float):  # a bool is an int, 0 or 1
        return None
    try:
        value = float(found)
    except OverflowError:
        return None
    return value if isfinite(value) else None


def time_of(found: Any, form: TimeFormat) -> Nanos | None:
    """A time as it stands in JSON; None if it cannot be read as that."""
    if form == "iso":
        at = _from_iso(found)
    elif isinstance(found, bool) or number_of(found) is None:
        return None
    else:
        at = round(found * _UNITS[form]) if abs(found) < 2**63 else None
    return at if at is not None and 0 <= at < 2**63 else None


def _from_iso(found: Any) -> Nanos | None:
    if not isinstance(found, str):
        return None
    try:
        moment = datetime.fromisoformat(found)
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds * 1000


def rows_of(arrival: Arrival, fields: Sequence[Field]) -> list[Row]:
    """The samples of one message."""
    readings = decode(arrival.payload, fields)
    return [_row(arrival, field, reading) for field, reading in zip(fields, readings, strict=True)]


def _row(arrival: Arrival, field: Field, reading: Reading) -> Row:
    at = arrival.at if reading.at is None else reading.at
    is_old = arrival.is_retained and (reading.at is None or arrival.at - at > field.period)
    quality = max(reading.quality, Quality.UNCERTAIN) if is_old else reading.quality
    return field.tag, at, reading.value, quality


def nothing(tags: Iterable[int], at: Nanos) -> SampleBatch:
    """A bad sample for each of them."""
    return columns([(tag, at, nan, Quality.BAD) for tag in tags])


def columns(
    rows: Sequence[Row], wire_bytes: int = 0, lost: int = 0, unmatched: int = 0
) -> SampleBatch:
    """A batch of these rows: tag, time, value, quality."""
    tag, at, value, quality = zip(*rows, strict=True) if rows else ((), (), (), ())
    return SampleBatch(
        tag=np.array(tag, dtype=np.int32),
        at=np.array(at, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        quality=np.array(quality, dtype=np.uint8),
        wire_bytes=wire_bytes,
        lost=lost,
        unmatched=unmatched,
    )
