"""Alerts as the buffer stores them, for the sinks that tell people."""

from gateway.api.line_protocol import encode
from gateway.api.model import SECOND, Envelope, Kind, Point
from gateway.sinks.alert_news import AlertNews

NOON = 1_767_268_800 * SECOND
"""2026-01-01, 12:00 UTC."""


def stored(number=0, transition="raised", *, at=None, severity="high", **fields):
    """The stored point of a transition of the alarm with this number."""
    at = NOON + number * SECOND if at is None else at
    tags = {"site": "demo-plant", "line": "press-3", "detector": "guard", "severity": severity}
    tags["detector"] = fields.pop("detector", "guard")
    known = {
        "id": f"guard.oil.high-{number}",
        "alarm": "oil.high",
        "state": "unacknowledged",
        "transition": transition,
        "active": transition != "returned",
        "opened_at": NOON + number * SECOND,
        "cause": "oil 87.2 °C 100 %",
        "message": f"Oil temperature high: 87.2 °C, limit 85 °C ({number})",
    }
    return Envelope(Kind.ALERT, at, encode(Point("andon_alert", tags, known | fields, at)))


def news(*arguments, **fields):
    """The same as the sinks read it."""
    return AlertNews.of(stored(*arguments, **fields))
