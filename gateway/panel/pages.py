"""The pages, each made of what is known of the lines: the part within the layout.

Promises
- A page can be made at any time: what a daemon does not answer is a sentence on the page.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from gateway import __version__
from gateway.api.alarms import Severity
from gateway.api.contracts import AndonError
from gateway.api.visible import SENTENCE, brief
from gateway.control.client import ControlError
from gateway.panel import alarm_view, line_view, trends
from gateway.panel.render import render
from gateway.panel.visit import Visit, here, line

Page = Callable[[Visit], Awaitable[str]]

ROWS = 100
"""Rows of a page of tags or of the journal."""


async def overview(visit: Visit) -> str:
    """All lines: what is alarming now."""
    return render("overview.html", here=here(visit))


async def alarm(visit: Visit) -> str:
    """One alarm: why, the trend of its tags, its history."""
    watch, alarm_id = visit.watch, visit.query.get("id", "")
    facts = next((each for each in watch.alarms if each["id"] == alarm_id), None)
    known = await _shown(visit, alarm_id)
    past = known.get("alarm") if facts is None else None
    facts = past if alarm_view.is_alarm(past) else facts
    card = alarm_view.card(facts, watch.units, visit.now, watch.names) if facts else None
    if card and past is not None:
        # It is over: what can be done is to say what it was.
        card = replace(card, acts=frozenset({"comment"}), needs_person=False, lasted="")
    plots, no_plot = await trends.of_alarm(watch, facts, visit.now) if facts else ([], "")
    return render(
        "alarm.html",
        here=here(visit),
        line=line(watch, visit.now),
        id=brief(alarm_id, SENTENCE),
        card=card,
        is_over=past is not None,
        clip=brief(str(known.get("clip") or ""), SENTENCE),
        entries=_entries(known.get("entries"), visit)[::-1],
        plots=plots,
        no_plot=no_plot,
    )


async def _shown(visit: Visit, alarm_id: str) -> Mapping[str, Any]:
    try:
        answer = await visit.watch.ask(f"/alarms/show?{urlencode({'id': alarm_id})}")
    except AndonError:
        # A daemon without a journal, or an alarm that it does not know: the page does without.
        return {}
    return answer if isinstance(answer, dict) else {}


async def tags(visit: Visit) -> str:
    """The tags of a line, those that are not fresh first."""
    wanted = visit.query.get("q", "")[:100]
    rows = [
        row
        for row in line_view.tags(visit.watch.status)
        if wanted.casefold() in row.name.casefold()
    ]
    first = min(_number(visit.query.get("first")), max(len(rows) - 1, 0))
    wrong = sum(not row.is_normal for row in rows)
    return render(
        "tags.html",
        here=here(visit),
        line=line(visit.watch, visit.now),
        query=wanted,
        rows=rows[first : first + ROWS],
        counted=f"{len(rows):,} tags, {wrong:,} of them not fresh",
        earlier=_at(visit, wanted, first - ROWS) if first else "",
        later=_at(visit, wanted, first + ROWS) if first + ROWS < len(rows) else "",
    )


def _at(visit: Visit, wanted: str, first: int) -> str:
    query = urlencode({"q": wanted, "first": max(first, 0)})
    return f"/line/{quote(visit.line)}/tags?{query}"


async def state(visit: Visit) -> str:
    """The parts of a line: models, sources, sinks, buffer, daemon."""
    status = visit.watch.status
    not_ready = status.get("not_ready")
    return render(
        "state.html",
        here=here(visit),
        line=line(visit.watch, visit.now),
        detectors=line_view.detectors(status),
        sources=line_view.sources(status),
        sinks=line_view.sinks(status),
        waiting=line_view.waiting(status),
        lost=line_view.lost(status),
        not_ready=[brief(str(why), SENTENCE) for why in not_ready[:20]]
        if isinstance(not_ready, list)
        else [],
        facts=_daemon(status, visit),
    )


def _daemon(status: Mapping[str, Any], visit: Visit) -> list[tuple[str, str]]:
    facts = [(name.capitalize(), brief(str(status.get(name, "–")))) for name in _DAEMON]
    started = status.get("started")
    if isinstance(started, int):
        facts.append(("Started", alarm_view.when(started, visit.now)))
    return facts


_DAEMON = ("health", "site", "version")


async def journal(visit: Visit) -> str:
    """The journal of a line, the newest entries first."""
    before = _number(visit.query.get("before"))
    query = urlencode({"limit": ROWS} | ({"before": before} if before else {}))
    entries, older, why = list[dict[str, str]](), 0, ""
    try:
        answer = await visit.watch.ask(f"/journal?{query}")
    except AndonError as error:
        why = _missing(error, "a journal")
    else:
        facts = answer if isinstance(answer, dict) else {}
        entries = _entries(facts.get("entries"), visit)
        if facts.get("more") is True and entries:
            older = _number(entries[-1]["seq"])
    return render(
        "journal.html",
        here=here(visit),
        line=line(visit.watch, visit.now),
        entries=entries,
        before=before,
        older=older,
        why=why,
    )


async def trend(visit: Visit) -> str:
    """The trend of one tag over the last hours."""
    names = [row.name for row in line_view.tags(visit.watch.status)]
    tag = visit.query.get("tag") or (names[0] if names else "")
    hours = _number(visit.query.get("hours")) or 1
    hours = hours if hours in trends.HOURS else 1
    plots, why = await trends.of_tag(visit.watch, tag, hours, visit.now) if tag else ([], "")
    return render(
        "trend.html",
        here=here(visit),
        line=line(visit.watch, visit.now),
        tags=sorted(names)[:1000],
        tag=tag,
        hours=hours,
        plots=plots,
        why=why,
    )


async def help_page(visit: Visit) -> str:
    """Symbols, keys, colours."""
    return render(
        "help.html", here=here(visit), keys=visit.keys, scheme=visit.scheme, version=__version__
    )


def _entries(entries: Any, visit: Visit) -> list[dict[str, str]]:
    known = entries if isinstance(entries, list) else []
    return [_entry(each, visit) for each in known[:1000] if isinstance(each, dict)]


def _entry(entry: Mapping[str, Any], visit: Visit) -> dict[str, str]:
    at, severity = entry.get("at"), entry.get("severity")
    texts = {name: brief(str(entry.get(name) or ""), SENTENCE) for name in _TEXTS}
    return texts | {
        "time": alarm_view.when(at, visit.now) if isinstance(at, int) else "–",
        "severity": str(severity) if severity in list(Severity) else "",
        "what": (texts["transition"] or texts["kind"]).replace("_", " "),
    }


_TEXTS = ("seq", "id", "kind", "transition", "by", "reason", "message")


def _missing(error: AndonError, what: str) -> str:
    if isinstance(error, ControlError) and error.status == 404:
        return f"The daemon of this line has no {what.removeprefix('a ')}: it is an older version."
    return brief(str(error), SENTENCE)


def _number(text: Any) -> int:
    """A whole number of at most 18 digits; 0 for everything else."""
    is_one = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 18
    return int(text) if is_one else 0


PAGES: Mapping[str, Page] = {
    "/": overview,
    "/line/{line}/alarm": alarm,
    "/line/{line}/tags": tags,
    "/line/{line}/state": state,
    "/line/{line}/journal": journal,
    "/line/{line}/trend": trend,
    "/help": help_page,
}
TITLES: Sequence[tuple[str, str]] = (
    ("tags", "Tags"),
    ("state", "State"),
    ("journal", "Journal"),
    ("trend", "Trend"),
    ("alarm", "Alarm"),
    ("help", "Help"),
)
