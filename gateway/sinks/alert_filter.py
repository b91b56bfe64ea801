"""Which alerts a receiver wants: by severity, transition, detector and alarm. Pure."""

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from gateway.api.alarms import Severity, Transition
from gateway.api.options import Strict
from gateway.sinks.alert_news import AlertNews

Glob = Annotated[str, Field(min_length=1, max_length=200)]
Globs = Annotated[list[Glob], Field(min_length=1, max_length=50)]
ANNOUNCED = (Transition.RAISED, Transition.ESCALATED, Transition.REALARMED)
"""What calls a person."""


class AlertFilter(Strict):
    """Which alerts are sent; a name may contain `*`, `?` and `[...]`."""

    min_severity: Severity = Severity.LOW
    """low, medium, high or critical: less severe alarms are left out."""
    transitions: Annotated[list[Transition], Field(min_length=1)] = list(ANNOUNCED)
    """Which transitions are sent: raised, escalated, realarmed, returned, acknowledged ..."""
    detectors: Globs = ["*"]
    """The detectors whose alarms are sent."""
    alarms: Globs = ["*"]
    """The alarms that are sent, by the name within their detector."""

    def why_not(self, news: AlertNews) -> str:
        """Why this is left out; empty if it is sent."""
        if news.rank < self.min_severity.rank:
            return "severity"
        # What is no transition is of another version: a person should rather see it.
        if news.transition and news.transition not in self.transitions:
            return "transition"
        if not _fits(news.detector, self.detectors):
            return "detector"
        return "" if _fits(news.alarm, self.alarms) else "alarm"


def _fits(name: str, globs: list[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
