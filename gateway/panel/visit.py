"""What a page is made from: the lines, and who looks at which address with which settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.api.durations import spell_roughly
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos
from gateway.api.visible import SENTENCE, brief
from gateway.panel import alarm_view, line_view
from gateway.panel.alarm_view import Alarms
from gateway.panel.line_view import Tile
from gateway.panel.sessions import Session
from gateway.panel.watch import Watch

CARDS = 100
"""Alarms of a line that are shown, and as many of those that are hidden; more are counted."""
SCHEMES = ("auto", "light", "dark")


@dataclass(frozen=True)
class Visit:
    """A browser that looks at one page."""

    watches: Mapping[str, Watch]
    session: Session
    path: str
    """The page's address with its query, as forms come back to it."""
    query: Mapping[str, str]
    now: Nanos
    line: str = ""
    """The line that the page is about; empty if it is about all."""
    is_open: bool = False
    """Whether everybody who reaches the panel may act."""
    scheme: str = "auto"
    keys: bool = True

    @property
    def watch(self) -> Watch:
        """What is known of the line that the page is about."""
        return self.watches[self.line]


@dataclass(frozen=True)
class LineView:
    """One line on a page."""

    name: str
    away: str
    heard: str
    """Since when there is no data; empty if there never was."""
    silent_for: str
    alarms: Alarms
    left_out: int
    tiles: Sequence[Tile]
    maintenance: bool
    maintenance_words: str


def line(watch: Watch, now: Nanos) -> LineView:
    """A line as it is known now, made at most once a second for all browsers."""
    key = now // SECOND, watch.changes
    if watch.view[0] != key:
        watch.view = key, _line(watch, now)
    view: LineView = watch.view[1]
    return view


def _line(watch: Watch, now: Nanos) -> LineView:
    maintenance = line_view.maintenance(watch.status)
    # What was known when it answered last does not grow older.
    known_at = watch.heard_at if watch.away else now
    alarms = alarm_view.cards(watch.alarms, watch.units, known_at, watch.names)
    more = len(alarms.shown[CARDS:]) + len(alarms.hidden[CARDS:])
    return LineView(
        name=watch.line,
        away=watch.away,
        heard=alarm_view.when(watch.heard_at, now) if watch.heard_at else "",
        silent_for=spell_roughly(max(now - watch.heard_at, 0)),
        alarms=replace(alarms, shown=alarms.shown[:CARDS], hidden=alarms.hidden[:CARDS]),
        left_out=watch.left_out + more,
        tiles=watch.tiles,
        maintenance=bool(maintenance),
        maintenance_words=_maintenance(maintenance, now) if maintenance else "",
    )


def here(visit: Visit) -> dict[str, Any]:
    """What every page shows: the lines, the clock, who looks."""
    return {
        "lines": [line(watch, visit.now) for watch in visit.watches.values()],
        "line": visit.line,
        "path": visit.path,
        "csrf": visit.session.csrf,
        "may_operate": visit.session.may_operate,
        "name": visit.session.name,
        "is_certified": visit.session.is_certified,
        "is_open": visit.is_open,
        "clock": local_time(visit.now, "%H:%M:%S"),
    }


def _maintenance(facts: Mapping[str, Any], now: Nanos) -> str:
    parts = []
    if isinstance(facts.get("since"), int):
        parts.append(f"since {alarm_view.when(facts['since'], now)}")
    if isinstance(facts.get("until"), int):
        parts.append(f"until {alarm_view.when(facts['until'], now)}")
    if facts.get("by"):
        parts.append(f"by {brief(str(facts['by']))}")
    words = " ".join(parts)
    words = words[:1].upper() + words[1:]
    why = brief(str(facts.get("why") or ""), SENTENCE)
    return ": ".join(part for part in (words, why) if part)
