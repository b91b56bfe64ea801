"""Decodes payloads: from the bytes of a message to the samples of its topic's tags (pure).

Promises
- Never an exception, whatever the bytes are, and never a value that is not in them: null, NaN,
  infinity, a missing key, broken JSON or UTF-8 and an overlong payload are BAD, and so is text that
  is not in the tag's enumeration.
- A payload is decoded once for all tags of its topic.
- If a tag has a time in its payload and it cannot be read, the sample is BAD at the time of
  reception: a value of unknown age is not current.
- If a payload has a quality, any value of it that is not listed as good is BAD.
- A retained message is UNCERTAIN unless it has its own time and is younger than the tag's period:
  a message that the broker kept never counts as fresh.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np

from connectors.mqtt.receive_queue import MAX_PAYLOAD, ReceivedMessage
from connectors.mqtt.tags import TimeFormat
from gateway.api.model import SECOND, Nanos, Quality, SampleBatch

_EPOCH = datetime.fromtimestamp(0, UTC)
_UNITS: dict[TimeFormat, Nanos] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND}
# NaN and Infinity are not JSON, but Python's encoder writes them: only their own tag is then bad.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
Path = tuple[str, ...]
Row = tuple[int, Nanos, float, Quality]


@dataclass(frozen=True, slots=True)
class PayloadField:
    """Where tag number `tag` is in a payload, and how it is encoded.

    `period` is the expected time between two messages; `quality_good` lists the values at
    `quality_path` of a good sample; `texts` maps texts to numbers.
    """

    tag: int
    path: Path = ()
    time_path: Path | None = None
    time_format: TimeFormat = "ns"
    period: Nanos = 5 * SECOND
    quality_path: Path | None = None
    quality_good: tuple[bool | float | str, ...] = ()
    texts: Mapping[str, float] | None = None


class DecodedValue(NamedTuple):
    """One tag's value in a payload; `at` is None if the tag has no time in its payload."""

    value: float
    at: Nanos | None
    quality: Quality


_BAD = DecodedValue(nan, None, Quality.BAD)


def steps(path: str) -> Path:
    """The steps of a dotted path, or of a JSON pointer (RFC 6901, section 4)."""
    if path.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    return tuple(path.split(".")) if path else ()


def decode(payload: bytes | None, fields: Iterable[PayloadField]) -> list[DecodedValue]:
    """One value for each field; a payload of None was too long to be kept."""
    document = parse(payload)
    return [_read(document, field) for field in fields]


def parse(payload: bytes | None) -> Any:
    """The JSON document, or the text if it is not JSON; None if it is neither."""
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


def _read(document: Any, field: PayloadField) -> DecodedValue:
    raw = _at_path(document, field.path)
    value = field.texts.get(raw) if field.texts and isinstance(raw, str) else number_of(raw)
    if value is None or not _is_good(document, field):
        return _BAD
    if field.time_path is None:
        return DecodedValue(value, None, Quality.GOOD)
    at = time_of(_at_path(document, field.time_path), field.time_format)
    return _BAD if at is None else DecodedValue(value, at, Quality.GOOD)


def _is_good(document: Any, field: PayloadField) -> bool:
    if field.quality_path is None:
        return True
    quality = _at_path(document, field.quality_path)
    # 1 == True in Python, but not in a line file.
    return any(
        quality == good and isinstance(quality, bool) is isinstance(good, bool)
        for good in field.quality_good
    )


def _at_path(node: Any, path: Path) -> Any:
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isascii() and step.isdecimal():
            # A list within 1 MiB has fewer items than six digits can count.
            index = int(step) if len(step) < 7 else len(node)
            node = node[index] if index < len(node) else None
        else:
            return None
    return node


def number_of(value: Any) -> float | None:
    """A JSON value as a finite number, else None; true and false are 1 and 0."""
    if not isinstance(value, int | float):  # a bool is an int, 0 or 1
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def time_of(value: Any, form: TimeFormat) -> Nanos | None:
    """A JSON value as a time; None if it does not have that format."""
    if form == "iso":
        at = _from_iso(value)
    elif isinstance(value, bool) or number_of(value) is None:
        return None
    else:
        at = round(value * _UNITS[form]) if abs(value) < 2**63 else None
    return at if at is not None and 0 <= at < 2**63 else None


def _from_iso(value: Any) -> Nanos | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds * 1000


def rows_of(received: ReceivedMessage, fields: Sequence[PayloadField]) -> list[Row]:
    """The samples of one message."""
    decoded = decode(received.payload, fields)
    return [_row(received, field, each) for field, each in zip(fields, decoded, strict=True)]


def _row(received: ReceivedMessage, field: PayloadField, decoded: DecodedValue) -> Row:
    at = received.at if decoded.at is None else decoded.at
    is_old = received.is_retained and (decoded.at is None or received.at - at > field.period)
    quality = max(decoded.quality, Quality.UNCERTAIN) if is_old else decoded.quality
    return field.tag, at, decoded.value, quality


def bad_batch(tags: Iterable[int], at: Nanos) -> SampleBatch:
    """A bad sample of each tag."""
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
