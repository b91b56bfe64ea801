"""Classifies the responses of an InfluxDB server to a write request. Pure.

| status | meaning | action |
|---|---|---|
| 201, 204 | stored | points are acknowledged |
| 400, 422 | some point is wrong; the others may or may not be stored | bisect to find it |
| 500 "partial write" | the same, from InfluxDB 2.0 | the same |
| 413 | too large | smaller requests |
| 401, 403, 404 | token, rights, bucket or organisation are wrong | kept; a human must help |
| "database not found", "retention policy not found", whatever the status | the same | the same |
| 429, 503 | too fast or too busy | kept; retried after the server's Retry-After |
| 408, 425, other 5xx | unknown | kept; the same bytes are sent again |
| anything else | not an InfluxDB server | kept; a human must help |

No response, or an incomplete one, is treated like a 5xx. InfluxDB Cloud responds 204 as soon as it
has queued the points: it reports later errors only in its bucket `_monitoring`.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from gateway.api.wording import kind_of
from gateway.sinks.influx_options import InfluxOptions

_LONGEST = 300
"""Characters of a server's words that are shown."""
_MOST_PARTS = 100_000
"""Lists, objects and their entries of an answer that is decoded; each takes time of the event loop.
InfluxDB 3 names 5,000 wrong points with some 75,000."""
_DROPPED = re.compile(r"\bdropped[= ](\d+)")
_BEYOND_RETENTION = re.compile(r"(?:beyond|outside) retention policy")
_EMPTY = re.compile(r"\bempty\b|\bno (?:points|lines|data|input)\b|requires points")
_NOT_FOUND = ("database not found", "retention policy not found")


class WriteStatus(Enum):
    """The result of a write request, by what to do with its points."""

    STORED = auto()
    WRONG_POINT = auto()
    TOO_LARGE = auto()
    LATER = auto()
    NEEDS_HUMAN = auto()


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """The result of one request; `wait` is the server's Retry-After in seconds.

    `lines` are the indices of the points that the server names as wrong, if it names all of them.
    `is_influx` is False if the response does not look like one of InfluxDB.
    """

    status: WriteStatus
    message: str = ""
    wait: float = 0.0
    lines: frozenset[int] = frozenset()
    is_influx: bool = True

    @property
    def dropped(self) -> int:
        """How many points the server reports as dropped; 0 if it does not report any."""
        match = _DROPPED.search(self.message)
        return int(match[1]) if match else 0

    @property
    def is_beyond_retention(self) -> bool:
        """Whether the points were too old for the bucket; the others of the request are stored."""
        return bool(_BEYOND_RETENTION.search(self.message))

    @property
    def kind(self) -> str:
        """The message without what differs from point to point."""
        return kind_of(self.message)


def classify(status: int, message: str = "") -> WriteStatus:
    """Applies the table above. A 200 is not an acknowledgement: captive portals send it too."""
    if status in (201, 204):
        return WriteStatus.STORED
    if status >= 400 and any(words in message for words in _NOT_FOUND):
        return WriteStatus.NEEDS_HUMAN
    if status in (400, 422) or (status == 500 and "partial write" in message):
        return WriteStatus.WRONG_POINT
    if status == 413:
        return WriteStatus.TOO_LARGE
    if status in (408, 425, 429) or status >= 500:
        return WriteStatus.LATER
    return WriteStatus.NEEDS_HUMAN


def hint(status: int, message: str, headers: Mapping[str, str], options: InfluxOptions) -> str:
    """What may be wrong with the line file, to be added to the message; often nothing."""
    if 200 <= status < 300:
        return ": not a response of InfluxDB, nothing was stored; check the url"
    if 300 <= status < 400:
        return f"; it is now at {shortened(str(headers.get('Location')))}; check the url"
    if options.version == 2 and not options.org and status in (400, 404) and "org" in message:
        return "; InfluxDB 2 needs `org`"
    if (
        options.version != 1
        and status == 404
        and headers.get("X-Influxdb-Version", "").startswith(("1.", "v1."))
    ):
        return "; this is InfluxDB 1: give `version: 1` and `database`"
    return ""


def is_influx(headers: Mapping[str, str]) -> bool:
    """Whether a response has a header that InfluxDB and its relatives send."""
    return any(name.lower().startswith("x-influxdb") for name in headers)


def says_it_is_empty(message: str) -> bool:
    """Whether a request was refused only because there are no points in it."""
    return bool(_EMPTY.search(message.lower()))


def retry_after(header: str | None, now: float) -> float:
    """The seconds of a Retry-After header, which is a number or a date; 0 without a header."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(int(header)))
    except OverflowError:
        return math.inf  # too large for a number: as long as is ever waited
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


def describe(
    status: int, reason: str | None, body: bytes | str | None, secrets: Sequence[str] = ()
) -> str:
    """A response as readable text: short, without line breaks, and with secrets masked."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    message = _message(text) or text
    full = f"{status} {reason or ''}".rstrip() + (f": {message}" if message else "")
    return shortened(mask(full, secrets))


def shortened(text: str) -> str:
    """The text in one line of at most 300 characters."""
    return " ".join(text[: 4 * _LONGEST].split())[:_LONGEST]


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with stars in place of secrets, which must not be empty."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def named_lines(body: bytes) -> frozenset[int]:
    """The indices of the points that InfluxDB 3 names in `data` of a partial write."""
    details = _content(body.decode(errors="replace")).get("data")
    numbers: list[Any] = [each.get("line_number") for each in _dicts(details)]
    if not all(type(number) is int and number > 0 for number in numbers):
        return frozenset()
    return frozenset(number - 1 for number in numbers)


def _message(text: str) -> str:
    """The message in a JSON body: `message` in InfluxDB 2, `error` in 1, `error` + `data` in 3."""
    content = _content(text)
    message = str(content.get("message") or content.get("error") or "")
    details = content.get("data")
    first = next(iter(_dicts(details)), {})
    reason = first.get("error_message")
    return f"{message}: {reason}" if reason else message


def _content(text: str) -> dict[str, Any]:
    if sum(map(text.count, "[{,")) > _MOST_PARTS:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _dicts(details: Any) -> list[dict[str, Any]]:
    each = details if isinstance(details, list) else [details]
    return [entry for entry in each if isinstance(entry, dict)]
