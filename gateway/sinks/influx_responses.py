"""What an InfluxDB server's answer means for the points that were sent. Pure.

| status | what it means | what is done |
|---|---|---|
| 201, 204 | stored | forgotten |
| 400, 422 | some line is wrong; the others may or may not be stored | the wrong ones are found |
| 500 "partial write" | the same, of an InfluxDB 2.0 | the same |
| 413 | too much at once | sent in smaller pieces |
| 401, 403, 404 | token, rights, bucket or organisation are wrong | kept; a human must help |
| 429, 503 | too fast or too busy | kept; tried when the server says |
| 408, 425, other 5xx | unknown | kept; the same bytes are sent again |
| anything else | not the server that was meant | kept; a human must help |

No answer, or one that was cut short, is like a 5xx. InfluxDB Cloud says 204 once it has queued the
points: what it finds wrong afterwards it tells in its bucket `_monitoring`, not to us.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto

_LONGEST = 300
_DROPPED = re.compile(r"\bdropped[= ](\d+)")


class Verdict(Enum):
    """What to do with the points of one request."""

    STORED = auto()
    WRONG_LINE = auto()
    TOO_LARGE = auto()
    LATER = auto()
    NEEDS_HUMAN = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request came to; `wait` is what the server asked for, in seconds."""

    verdict: Verdict
    said: str = ""
    wait: float = 0.0

    @property
    def dropped(self) -> int:
        """How many lines the server says that it did not take; 0 where it does not say."""
        match = _DROPPED.search(self.said)
        return int(match[1]) if match else 0


def judge(status: int, said: str = "") -> Verdict:
    """The table above. A 200 is no acknowledgement: a captive portal says it as well."""
    if status in (201, 204):
        return Verdict.STORED
    if status in (400, 422) or (status == 500 and "partial write" in said):
        return Verdict.WRONG_LINE
    if status == 413:
        return Verdict.TOO_LARGE
    if status in (408, 425, 429) or status >= 500:
        return Verdict.LATER
    return Verdict.NEEDS_HUMAN


def retry_after(header: str | None, now: float) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 without one."""
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


def words(
    status: int, reason: str | None, body: bytes | str | None, secrets: Sequence[str] = ()
) -> str:
    """The server's words for people: short, on one line, and without our secrets."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    said = " ".join((_message(text) or text).split())
    full = f"{status} {reason or ''}".rstrip() + (f": {said}" if said else "")
    return mask(full, secrets)[:_LONGEST]


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text with stars in place of secrets, none of them empty."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _message(text: str) -> str:
    """InfluxDB 2 says it under `message`, 1 and 3 under `error`, and 3 the reason under `data`."""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return ""
    said = str(found.get("message") or found.get("error") or "")
    lines = found.get("data")
    first = lines[0] if isinstance(lines, list) and lines else lines
    reason = first.get("error_message") if isinstance(first, dict) else None
    return f"{said}: {reason}" if reason else said
