"""The words of a message: subject, text, HTML and a short form for text messages. Pure.

Promises
- The alert's own sentence comes first; the rows below it are what a person needs beside it.
- A late message says how late it is, and the next one how many alerts were not sent singly.
- Nothing of an alert is markup: HTML is escaped, and a subject is one row.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gateway.api.alarms import Severity
from gateway.api.durations import spell_roughly
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos, Point
from gateway.api.wording import counted
from gateway.sinks.alert_news import AlertNews

LATE: Nanos = 120 * SECOND
"""A message that leaves so long after what it tells says so."""
MOST_ROWS = 50
"""Alerts that a digest lists; the others it counts."""
_SUBJECT = 150
_REASONS = {
    "flood": "in a flood of alarms",
    "overflow": "because too many were waiting",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. `key` is the same each time the same message is sent."""

    key: str
    subject: str
    text: str
    html: str
    short: str
    thread: str = ""
    """The alarm that it is about, by which a mail program groups messages; empty for several."""
    severity: str = ""


def letter_about(
    news: Sequence[AlertNews], now: Nanos, left_out: Mapping[str, int], acknowledge: str
) -> Letter:
    """The message about one alert, or the digest of several."""
    if len(news) == 1:
        return _single(news[0], now, left_out, acknowledge)
    return _digest(news, now, left_out)


def _single(news: AlertNews, now: Nanos, left_out: Mapping[str, int], acknowledge: str) -> Letter:
    late = how_late(news, now)
    severity = news.severity.upper()
    title = one_row(f"{f'[{severity}] ' if severity else ''}{news.line}: {news.words}")
    rows = dict(_rows(news, late, acknowledge))
    notes = _notes(left_out)
    text = "\n".join(
        [news.words, "", *(f"{name}: {value}" for name, value in rows.items()), *notes]
    )
    # Rows of their own: mail programs without HTML get a text that is made of this.
    lines = "<br>".join(f"<b>{escape(name)}:</b> {escape(value)}" for name, value in rows.items())
    html = f"<p><b>{escape(news.words)}</b></p><p>{lines}</p>{_paragraphs(notes)}"
    short = f"{title}{f' ({late})' if late else ''}{f' {news.id}' if news.id else ''}"
    return Letter(news.key, title, text, html, short, news.id, news.severity)


def _rows(news: AlertNews, late: str, acknowledge: str) -> Iterator[tuple[str, str]]:
    if late:
        yield "Late", late
    yield "Line", f"{news.line} (site {news.site})" if news.site else news.line
    if news.severity:
        yield "Severity", news.severity
    yield "Since", local_time(news.opened_at)
    if news.cause:
        yield "Causes", news.cause
    if news.advice and news.advice not in news.words:
        yield "What to do", news.advice
    if news.caused_by:
        yield "Follows from", news.caused_by
    if news.id:
        yield "Alarm", news.id
        if acknowledge and news.active:
            yield "Acknowledge", filled(acknowledge, news)


def _digest(news: Sequence[AlertNews], now: Nanos, left_out: Mapping[str, int]) -> Letter:
    by_severity = Counter(each.severity for each in news)
    order = [s.value for s in reversed(Severity)]
    severities = [name for name in order if by_severity[name]]
    counts = ", ".join(f"{by_severity[name]} {name}" for name in severities)
    line = news[0].line
    head = f"[{severities[0].upper()}] " if severities else ""
    title = one_row(
        f"{head}{line}: {counted(len(news), 'message')}" + (f", {counts}" * bool(counts))
    )
    late = how_late(news[0], now)
    intro = f"{counted(len(news), 'message')} of line {line} that waited" + (
        f"; the oldest: {late}" if late else ""
    )
    rows = [_row(each) for each in news[:MOST_ROWS]]
    if len(news) > MOST_ROWS:
        rows.append(f"and {len(news) - MOST_ROWS:,} more: see andon alarms list")
    notes = _notes(left_out)
    text = "\n".join([f"{intro}:", "", *rows, *notes])
    items = "".join(f"<li>{escape(row)}</li>" for row in rows)
    html = f"<p>{escape(intro)}:</p><ul>{items}</ul>{_paragraphs(notes)}"
    keys = "\n".join(each.key for each in news)
    key = f"digest.{hashlib.sha256(keys.encode()).hexdigest()[:32]}"
    short = f"{title}: {news[-1].words}"
    return Letter(key, title, text, html, short, "", severities[0] if severities else "")


def _row(news: AlertNews) -> str:
    named = f" [{news.id}]" if news.id else ""
    return f"{local_time(news.at)}  {news.severity or '-':<8}  {news.words}{named}"


def _notes(left_out: Mapping[str, int]) -> list[str]:
    parts = [f"{count:,} {_REASONS[why]}" for why, count in left_out.items() if why in _REASONS]
    return ["", f"Not sent singly: {', '.join(parts)}."] if parts else []


def _paragraphs(notes: Sequence[str]) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in notes if note)


def how_late(news: AlertNews, now: Nanos) -> str:
    """'raised 2 h 10 min ago'; empty if it has just happened."""
    if now - news.at < LATE:
        return ""
    return f"{news.transition or 'happened'} {spell_roughly(now - news.at)} ago"


def one_row(text: str, longest: int = _SUBJECT) -> str:
    """The text without line breaks, cut if it is long."""
    row = " ".join(text.split())
    return row if len(row) <= longest else f"{row[: longest - 3]}..."


def filled(form: str, news: AlertNews) -> str:
    """The way to acknowledge, with the names of this alarm; other braces stay."""
    for name in ("id", "line", "site"):
        form = form.replace(f"{{{name}}}", getattr(news, name))
    return form


def example(line: str = "press-3", at: Nanos = 1_767_268_800 * SECOND) -> AlertNews:
    """An alert for a test message, and to try templates with."""
    tags = {"detector": "test", "severity": "low", "line": line}
    words = "This is a test message of andon, no alarm"
    fields: dict[str, str | bool] = {"alarm": "test", "state": "normal", "active": False}
    fields["message"] = words
    return AlertNews.of_point(Point("andon_alert", tags, fields, at), b"")


def facts_for_template(news: AlertNews, now: Nanos) -> dict[str, Any]:
    """What a template may use."""
    facts = news.facts()
    return facts | {
        "message": news.words,
        "since": local_time(news.opened_at),
        "time": local_time(news.at),
        "late": how_late(news, now),
    }
