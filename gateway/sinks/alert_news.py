"""What a stored alert says, as the sinks for people and other programs read it. Pure.

Promises
- A point of an older or newer version is read too: what it does not have is empty, and what is not
  known here is left alone.
- Texts are cut where they are kept, so that a message has a bounded size.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from gateway.api.alarms import Severity
from gateway.api.line_protocol import decode
from gateway.api.model import Envelope, Nanos, Point

LONGEST = 1_000
"""Characters of a text of an alert that are kept."""


@dataclass(frozen=True, slots=True)
class AlertNews:
    """One transition of one alarm. `key` is the same each time this transition is sent."""

    key: str
    at: Nanos
    opened_at: Nanos
    id: str
    detector: str
    alarm: str
    severity: str
    state: str
    transition: str
    active: bool
    message: str
    site: str
    line: str
    cause: str
    top_tags: str
    advice: str
    by: str
    reason: str
    caused_by: str
    in_flood: bool

    @classmethod
    def of(cls, envelope: Envelope) -> Self:
        """The news of a stored point; ValueError if it is not line protocol."""
        return cls.of_point(decode(envelope.body), envelope.body)

    @classmethod
    def of_point(cls, point: Point, body: bytes) -> Self:
        """The news of a point that was decoded."""
        known: dict[str, Any] = {**point.tags, **point.fields}
        texts = {name: str(known.get(name, ""))[:LONGEST] for name in _TEXTS}
        opened = known.get("opened_at")
        return cls(
            key=key_of(known, point.at, body),
            at=point.at,
            opened_at=opened if isinstance(opened, int) else point.at,
            active=bool(known.get("active", True)),
            in_flood=known.get("in_flood") is True,
            **texts,
        )

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Self:
        """What `facts` gave; KeyError or TypeError for anything else."""
        return cls(**{each.name: facts[each.name] for each in fields(cls)})

    def facts(self) -> dict[str, Any]:
        """As plain values, to be kept."""
        return asdict(self)

    @property
    def rank(self) -> int:
        """How severe it is; what is not known counts as the least severe."""
        return Severity(self.severity).rank if self.severity in _SEVERITIES else 0

    @property
    def words(self) -> str:
        """The sentence about it."""
        return self.message or f"{self.alarm or self.id or 'alarm'}: {self.transition or 'news'}"


_SEVERITIES = frozenset(Severity)
_TEXTS = (
    *("id", "detector", "alarm", "severity", "state", "transition", "message", "site", "line"),
    *("cause", "top_tags", "advice", "by", "reason", "caused_by"),
)


def key_of(known: Mapping[str, Any], at: Nanos, body: bytes) -> str:
    """Alarm, transition and time, by which a receiver knows what came twice."""
    if known.get("id") and known.get("transition"):
        return f"{known['id']}.{known['transition']}.{at}"[:200]
    return hashlib.sha256(body).hexdigest()[:32]
