"""What a webhook posts for an alert. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.api.model import Point
from gateway.sinks.file import iso

_WORDS = "This is a test message of andon, no alarm"
_TEXTS = (
    *("id", "top_tags", "cause", "causes", "model", "advice", "by", "reason", "caused_by"),
    *("verdict", "acknowledged_by", "regime", "config", "ne107"),
)
_FIELDS: Mapping[str, float | int | bool | str] = {
    "alarm": "test",
    "state": "normal",
    "transition": "test",
    "active": False,
    "over": True,
    "message": _WORDS,
    "direction": "above",
    "coverage": 1.0,
    **dict.fromkeys(("opened_at", "began_at", "window_start", "window_end"), 0),
    "in_flood": False,
    **dict.fromkeys(("value", "threshold", "excess", "peak"), 0.0),
    **dict.fromkeys(_TEXTS, ""),
}
_TAGS = {"site": "", "line": "", "detector": "test", "severity": "low", "tag": ""}
EXAMPLE = Point("andon_alert", _TAGS, _FIELDS, 0)
"""What every template is tried with, what a test message holds, and what an alert does not have."""


def payload(point: Point, key: str) -> dict[str, Any]:
    """Tags, fields, `time` and `key` of an alert in one flat object."""
    return {"key": key, "time": iso(point.at), **point.tags, **point.fields}
