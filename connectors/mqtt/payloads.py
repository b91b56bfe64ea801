"""Decodes payloads: from the bytes of a message to the samples of its topic's tags (pure).

Promises
- Never an exception, whatever the bytes are, and never a value that is not in them: null, NaN,
  infinity, broken JSON or UTF-8 and an overlong payload are BAD, and so is text that the file does
  not ask to read as a number.
- A key that an object does not have, and an element that a list does not have, give no sample: many
  publishers send only what changed. With `absent: bad` they give a bad one.
- A payload is decoded once for all tags of its topic.
- If a tag has a time in its payload and it cannot be read, the sample is BAD at the time of
  reception: a value of unknown age is not current.
- If a payload has a quality, any value of it that is not listed as good is BAD.
- A retained message is UNCERTAIN unless it has its own time and is younger than the tag's period:
  a message that the broker kept never counts as fresh.
- Every sample that is not good has its reason in words.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any, Literal

import numpy as np

from connectors.mqtt.lookup import ABSENT, Elements, Mismatch, follow, walk
from connectors.mqtt.paths import EVERY, Every, Path, Where
from connectors.mqtt.receive_queue import ReceivedMessage
from connectors.mqtt.senml import resolved
from connectors.mqtt.texts import TextNumbers
from connectors.mqtt.times import TimeForm, unit_near
from connectors.mqtt.wording import not_a_number, short, unreadable_time
from gateway.api.model import SECOND, Nanos, Quality, SampleBatch

# NaN and Infinity are not JSON, but Python's encoder writes them: only their own tag is then bad.
_DECODER = json.JSONDecoder(parse_constant=float)
Row = tuple[int, Nanos, float, Quality, str]
"""Tag, time, value, quality, and the reason if it is not good."""
Format = Literal["senml"]
TOO_LONG = "a payload longer than `max_payload`"
_NO_TIMES: dict[int, Iterator[Any]] = {}
SINCE_1970 = TimeForm("ns")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class RelativePath:
    """A path that starts at a node on the way to a value: `depth` steps along the value's path."""

    path: Path
    depth: int = 0
    has_one_for_each: bool = field(init=False)
    """It leads to a list with an entry for each of the values."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_one_for_each", bool(self.path) and self.path[-1] is EVERY)

    def needs(self, steps: int) -> int:
        """How many steps along the value's path must have been found, of `steps`."""
        return steps if self.has_one_for_each else self.depth


@dataclass(frozen=True, slots=True)
class PayloadField:
    """Where tag number `tag` is in a payload, and how it is encoded.

    `period` is the expected time between two messages; `quality_good` lists the values at
    `quality` of a good sample; anything at `error` makes it bad; `texts` reads texts as numbers;
    `separator` splits a text into columns, which `path` counts from 0.
    """

    tag: int
    path: Path = ()
    time: RelativePath | None = None
    time_form: TimeForm = SINCE_1970
    period: Nanos = 5 * SECOND
    quality: RelativePath | None = None
    quality_good: tuple[bool | float | str, ...] = ()
    error: RelativePath | None = None
    texts: TextNumbers | None = None
    format: Format | None = None
    separator: str | None = None
    is_bad_if_absent: bool = False
    is_plain: bool = field(init=False)
    """One value at a fixed path of JSON, with nothing beside it."""
    is_fixed: bool = field(init=False)
    """One value at a fixed path of JSON."""
    selects: bool = field(init=False)
    """The path selects elements of lists, of which there may be none or many."""

    def __post_init__(self) -> None:
        selects = any(isinstance(step, Where | Every) for step in self.path)
        is_fixed = not selects and self.format is None and self.separator is None
        is_plain = is_fixed and self.time is self.quality is self.error is None
        object.__setattr__(self, "selects", selects)
        object.__setattr__(self, "is_fixed", is_fixed)
        object.__setattr__(self, "is_plain", is_plain)


def relative_path(own: Path, value: Path, *, is_pointer: bool) -> RelativePath:
    """Where a time or a quality is, given the path of its value.

    A path that begins as the value's does, up to a selection, starts at that element. Any other
    starts at the innermost selected element, but a JSON pointer always at the document.
    """
    selections = [at for at, step in enumerate(value) if isinstance(step, Where | Every)]
    shared = 0
    while shared < min(len(own), len(value)) and own[shared] == value[shared]:
        shared += 1
    within = [at + 1 for at in selections if at < shared and at + 1 < len(own)]
    if within:
        return RelativePath(own[within[-1] :], within[-1])
    # What [*] selects at the end of a path are bare values, which have nothing beside them.
    inner = [at + 1 for at in selections if at + 1 < len(value)]
    depth = inner[-1] if inner and not is_pointer else 0
    return RelativePath(own, depth)


def parse(payload: bytes | None) -> Any:
    """The JSON document, or the text if it is not JSON; a Mismatch if it is neither."""
    if payload is None:
        return Mismatch(TOO_LONG)
    try:
        text = payload.decode("utf-8-sig")
    except ValueError:
        is_wide = payload.startswith(_UTF_16)
        return Mismatch("a payload in UTF-16, not UTF-8" if is_wide else "a payload not in UTF-8")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        return Mismatch("JSON that is nested too deeply")
    except ValueError:
        return _parse_text(text)


def _parse_text(text: str) -> Any:
    """The document in a text that is not JSON as it is."""
    if text.endswith("\0"):  # C programs that send the end of a string, too
        return parse(text.rstrip("\0").encode())
    text = text.strip()
    if not text:
        return Mismatch("an empty message")
    return Mismatch("broken JSON") if text[0] in "{[" else text


def rows_of(received: ReceivedMessage, fields: Sequence[PayloadField]) -> list[Row]:
    """The samples of one message."""
    return decoded(received, fields)[0]


def decoded(
    received: ReceivedMessage, fields: Iterable[PayloadField]
) -> tuple[list[Row], Elements | None]:
    """The samples of one message, and the lists in it that were looked into."""
    document = parse(received.payload)
    elements: Elements | None = None
    whole: dict[tuple[Format | None, str | None], Any] = {}
    rows: list[Row] = []
    for each in fields:
        if each.is_fixed:
            raw = follow(document, each.path)
            if each.is_plain:
                if raw is not ABSENT or each.is_bad_if_absent:
                    value, why = _number(raw, each)
                    rows.append(_row(received, each, value, None, why))
            elif (row := _sample([document], raw, each, received, _NO_TIMES)) is not None:
                rows.append(row)
            continue
        form = each.format, each.separator
        if form not in whole:
            whole[form] = _in_format(document, *form, received.at)
        elements = elements or Elements()
        rows += _samples(whole[form], each, received, elements)
    return rows, elements


def _in_format(document: Any, form: Format | None, separator: str | None, received: Nanos) -> Any:
    if form == "senml":
        return resolved(document, received)
    if separator is None or type(document) is Mismatch:
        return document
    if isinstance(document, str):
        return [column.strip() for column in document.split(separator)]
    return [document] if isinstance(document, int | float) else document


def _samples(
    document: Any, field: PayloadField, received: ReceivedMessage, elements: Elements
) -> list[Row]:
    """The samples of one tag, in their order in the message."""
    times: dict[int, Iterator[Any]] = {}
    rows: list[Row] = []
    for trail, raw in walk([document], field.path, elements):
        row = _sample(trail, raw, field, received, times)
        if row is not None:
            rows.append(row)
    if field.time is None and len(rows) > 1:
        # Of several values without a time of their own only the last is known to be current.
        elements.superseded += len(rows) - 1
        return rows[-1:]
    return rows


def _sample(
    trail: list[Any],
    raw: Any,
    field: PayloadField,
    received: ReceivedMessage,
    times: dict[int, Iterator[Any]],
) -> Row | None:
    judged = _judged(trail, raw, field)
    if raw is ABSENT and not judged and not field.is_bad_if_absent:
        return None
    value, why = _number(raw, field)
    why = judged or why
    at = None
    if field.time is not None and len(trail) > field.time.needs(len(field.path)):
        written = _time_of(trail, field.time, times)
        at = None if type(written) is Mismatch else field.time_form.read(written, received.at)
        if at is None and not why:
            why = _no_time(written, field, received.at)
    return _row(received, field, nan if why else value, at, why)


def _time_of(trail: list[Any], time: RelativePath, times: dict[int, Iterator[Any]]) -> Any:
    base = trail[time.depth]
    if not time.has_one_for_each:
        return follow(base, time.path)
    if id(base) not in times:
        column, values = follow(base, time.path[:-1]), trail[-2]
        is_fit = isinstance(column, list) and len(column) == len(values)
        times[id(base)] = iter(column if is_fit else ())
    return next(times[id(base)], Mismatch("the lists of values and times differ in length"))


def _no_time(written: Any, field: PayloadField, received: Nanos) -> str:
    if type(written) is Mismatch:
        return f"no time: {written.why}"
    if written is ABSENT:
        where = " in the element (from the document on, it is a JSON pointer: /…)"
        return f"no time at its `time_path`{where if field.selects else ''}"
    zone = field.time_form.zone
    if zone is not None and TimeForm(field.time_form.form).read(written, 0) is not None:
        return f"a time in the hour that {zone.key} leaves out"
    other = unit_near(written, received)
    hint = f", it is one in {other}" if other else ""
    return unreadable_time(written, field.time_form.form) + hint


def _judged(trail: list[Any], raw: Any, field: PayloadField) -> str:
    """Why the message itself calls the value bad; empty if it does not."""
    if field.quality is field.error:  # neither
        return ""
    if field.error is not None and len(trail) > field.error.depth:
        error = follow(trail[field.error.depth], field.error.path)
        if error is not ABSENT and type(error) is not Mismatch and error not in (None, False, ""):
            return f"error {short(error)}"
    if field.quality is None or len(trail) <= field.quality.depth:
        return ""
    quality = follow(trail[field.quality.depth], field.quality.path)
    for good in field.quality_good:
        # 1 == True in Python, but not in a line file.
        if quality == good and isinstance(quality, bool) is isinstance(good, bool):
            return ""
    if quality is ABSENT or type(quality) is Mismatch:
        # Without a value this says nothing; with one its quality is unknown.
        return "" if raw is ABSENT or type(raw) is Mismatch else "no quality"
    return f"quality {short(quality)}"


def _number(raw: Any, field: PayloadField) -> tuple[float, str]:
    """The value, or NaN and why there is none."""
    value = number_of(raw)
    if value is not None:
        return value, ""
    if isinstance(raw, str) and field.texts is not None:
        value = field.texts.number(raw)
        return (nan, field.texts.why_not(raw)) if value is None else (value, "")
    if type(raw) is Mismatch:
        return nan, raw.why
    if raw is ABSENT:
        last = field.path[-1] if field.path else ""
        return nan, f"no `{last}` in the message" if isinstance(last, str) else "not in the message"
    return nan, not_a_number(raw)


def number_of(value: Any) -> float | None:
    """A JSON value as a finite number, else None; true and false are 1 and 0."""
    if not isinstance(value, int | float):  # a bool is an int, 0 or 1
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _row(
    received: ReceivedMessage, field: PayloadField, value: float, own: Nanos | None, why: str
) -> Row:
    at = received.at if own is None else own
    if why:
        return field.tag, at, value, Quality.BAD, why
    if received.is_retained and (own is None or received.at - at > field.period):
        return field.tag, at, value, Quality.UNCERTAIN, retained_reason(own)
    return field.tag, at, value, Quality.GOOD, ""


def retained_reason(own: Nanos | None) -> str:
    """Why a retained value is uncertain; `own` is the time in it, if it has one."""
    return (
        "a message that the broker kept, of unknown age"
        if own is None
        else "a message that the broker kept, older than the tag's period"
    )


def bad_batch(reasons: Mapping[int, str], at: Nanos) -> SampleBatch:
    """A bad sample of each tag, with its reason."""
    return columns([(tag, at, nan, Quality.BAD, why) for tag, why in reasons.items()])


def columns(
    rows: Sequence[Row], wire_bytes: int = 0, lost: int = 0, unmatched: int = 0
) -> SampleBatch:
    """A batch of these rows."""
    tag, at, value, quality, _ = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return SampleBatch(
        tag=np.array(tag, dtype=np.int32),
        at=np.array(at, dtype=np.int64),
        value=np.array(value, dtype=np.float64),
        quality=np.array(quality, dtype=np.uint8),
        wire_bytes=wire_bytes,
        lost=lost,
        unmatched=unmatched,
        reasons=_reasons(rows) if any(quality) else {},
    )


def _reasons(rows: Sequence[Row]) -> dict[int, str]:
    """The reason of each tag whose newest sample is not good."""
    newest: dict[int, Row] = {}
    for row in rows:
        known = newest.get(row[0])
        if known is None or row[1] >= known[1]:
            newest[row[0]] = row
    return {tag: row[4] for tag, row in newest.items() if row[4]}
