"""Classifies the responses of an InfluxDB server to a write request. Pure.

| status | meaning | action |
|---|---|---|
| 201, 204 | stored | points are acknowledged |
| 400, 422 | some point is wrong; the others may or may not be stored | bisect to find it |
| 500 "partial write" | the same, from InfluxDB 2.0 | the same |
| 413 | too large | smaller requests |
| 401, 403, 404 | token, rights, bucket or organisation are wrong | kept; a human must help |
| 429, 503 | too fast or too busy | kept; retried after the server's Retry-After |
| 408, 425, other 5xx | unknown | kept; the same bytes are sent again |
| anything else | not an InfluxDB server | kept; a human must help |

No response, or an incomplete one, is treated like a 5xx. InfluxDB Cloud responds 204 as soon as it
has queued the points: it reports later errors only in its bucket `_monitoring`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto

_LONGEST = 300
_DROPPED = re.compile(r"\bdropped[= ](\d+)")


class WriteStatus(Enum):
    """The result of a write request, by what to do with its points."""

    STORED = auto()
    WRONG_POINT = auto()
    TOO_LARGE = auto()
    LATER = auto()
    NEEDS_HUMAN = auto()


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """The result of one request; `wait` is the server's Retry-After in seconds."""

    status: WriteStatus
    message: str = ""
    wait: float = 0.0

    @property
    def dropped(self) -> int:
        """How many points the server reports as dropped; 0 if it does not report any."""
        match = _DROPPED.search(self.message)
        return int(match[1]) if match else 0


def classify(status: int, message: str = "") -> WriteStatus:
    """Applies the table above. A 200 is not an acknowledgement: captive portals send it too."""
    if status in (201, 204):
        return WriteStatus.STORED
    if status in (400, 422) or (status == 500 and "partial write" in message):
        return WriteStatus.WRONG_POINT
    if status == 413:
        return WriteStatus.TOO_LARGE
    if status in (408, 425, 429) or status >= 500:
        return WriteStatus.LATER
    return WriteStatus.NEEDS_HUMAN


def retry_after(header: str | None, now: float) -> float:
    """The seconds of a Retry-After header, which is a number or a date; 0 without a header."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except ValueError:
        return 0.0


def describe(
    status: int, reason: str | None, body: bytes | str | None, secrets: Sequence[str] = ()
) -> str:
    """A response as readable text: short, without line breaks, and with secrets masked."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    message = " ".join((_message(text) or text).split())
    full = f"{status} {reason or ''}".rstrip() + (f": {message}" if message else "")
    return mask(full, secrets)[:_LONGEST]


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with stars in place of secrets, which must not be empty."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _message(text: str) -> str:
    """The message in a JSON body: `message` in InfluxDB 2, `error` in 1, `error` + `data` in 3."""
    try:
        content = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    message = str(content.get("message") or content.get("error") or "")
    details = content.get("data")
    first = details[0] if isinstance(details, list) and details else details
    reason = first.get("error_message") if isinstance(first, dict) else None
    return f"{message}: {reason}" if reason else message
