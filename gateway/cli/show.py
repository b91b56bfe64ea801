"""Tables of a running line for the terminal, shared by `andon status` and `andon demo`."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.api.model import SECOND, Severity
from gateway.core.durations import spell

Facts = Mapping[str, Any]

# Normal states are dim, abnormal ones coloured. The state is always also written as a word.
_STYLE = {
    "ok": "dim",
    "idle": "dim",
    "fresh": "dim",
    "up": "dim",
    "late": "yellow",
    "starting": "yellow",
    "degraded": "bold yellow",
    "stale": "bold yellow",
    "never_seen": "bold yellow",
    "blind": "bold magenta",
    "bad": "bold magenta",
    "failed": "bold red",
    "down": "bold yellow",
    "low": "cyan",
    "medium": "yellow",
    "high": "bold red",
    "critical": "bold white on red",
}
_BAR = 24
REASONS = 12
"""Reasons for not being ready that a page lists; the tables below show the rest."""
NAMED = 5
"""Tags that a reason names."""
DAYS = 7
"""Days of the ledger that a page shows."""
MANY = 60
"""With more tags or sources than this, a page lists only the abnormal ones."""


def show_status(facts: Facts, *, every: bool = False) -> None:
    """Prints the whole status; with `every`, all tags and sources however many."""
    console = Console(markup=False, emoji=False)
    for part in _parts(facts, every=every):
        console.print(part)


def draw_status(facts: Facts, path: Path) -> None:
    """Writes the whole status as an SVG picture."""
    console = Console(markup=False, emoji=False, record=True, width=118, file=StringIO())
    console.print(Group(*_parts(facts)))
    picture = console.export_svg(title=f"andon status {facts['line']}")
    # The picture must not load fonts from the internet.
    path.write_text(re.sub(r"@font-face\s*\{.*?\}\s*", "", picture, flags=re.DOTALL))


def _parts(facts: Facts, *, every: bool = False) -> list[RenderableType]:
    return [
        overview(facts),
        tags(facts, every=every),
        detectors(facts),
        sources(facts, every=every),
        sinks(facts),
        ledger(facts),
        *([history(facts["history"])] if facts.get("history") else []),
        alerts(facts),
    ]


def word(text: str) -> Text:
    """A state as styled text."""
    return Text(text, style=_STYLE.get(text, ""))


def overview(facts: Facts) -> RenderableType:
    """The line's name, health, alarms, uptime and counters, with the reasons for not ready."""
    up = (facts["now"] - facts["started"]) / 1e9
    counters = facts["counters"]
    head = Text.assemble(
        (facts["line"], "bold"),
        f" at {facts['site']}  ",
        word(facts["health"]),
        "  ",
        _alarms(facts["active"]),
        f"  up {_span(up)}  {counters['values_read']:,} values read, "
        f"{counters['windows_scored']:,} windows scored",
    )
    reasons = [Text(f"  {why}", style="yellow") for why in facts["not_ready"][:REASONS]]
    if len(facts["not_ready"]) > REASONS:
        left_out = len(facts["not_ready"]) - REASONS
        reasons.append(Text(f"  and {left_out:,} more", style="yellow"))
    return Group(head, *reasons)


def _alarms(active: Sequence[Facts]) -> Text:
    if not active:
        return Text("no active alarm", style="dim")
    worst = max((alert["severity"] for alert in active), key=lambda s: Severity(s).rank)
    return Text(f" {len(active)} ACTIVE, {worst} ", style=_STYLE[worst])


def tags(facts: Facts, *, every: bool = False) -> RenderableType:
    """A table of tags with last value and state of the data; of many, those that are not fresh.

    Below it why they are not, one row for each reason.
    """
    table = plain_table("tag", "value", "unit", "data", "age", "source")
    shown, abnormal = _rows_to_show(facts["tags"], lambda tag: tag["state"] == "fresh", every)
    for tag in shown:
        value = reading(tag, digits=4)
        data = word(tag["state"]), _age(tag["age_s"])
        table.add_row(tag["tag"], value, tag["unit"], *data, tag["source"])
    whys = _reasons(shown)
    if len(shown) == len(facts["tags"]):
        return Group(table, *whys)
    states = ", ".join(f"{n:,} {state}" for state, n in facts["tag_states"].items() if n)
    head = f"{len(facts['tags']):,} tags: {states}"
    return Group(_shortened(head, table, len(shown), abnormal), *whys)


def _reasons(tags: Sequence[Facts]) -> list[Text]:
    """Why tags are not fresh: their names by reason."""
    by_reason: dict[str, list[str]] = {}
    for tag in tags:
        if tag.get("reason"):
            by_reason.setdefault(tag["reason"], []).append(tag["tag"])
    rows = []
    for why, names in list(by_reason.items())[:REASONS]:
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        rows.append(Text(f"  {', '.join(names[:NAMED])}{more}: {why}", style="yellow"))
    if len(by_reason) > REASONS:
        rows.append(
            Text(f"  and {len(by_reason) - REASONS:,} more reasons: --json", style="yellow")
        )
    return rows


def reading(tag: Facts, digits: int) -> str:
    """A tag's value as text: '230.4', '2 (jammed)', or a dash if there is none."""
    if tag["value"] is None:
        return "–"
    return _number(tag["value"], digits) + (f" ({tag['name']})" if tag.get("name") else "")


def _number(value: float, digits: int) -> str:
    """The value with so many digits; a counter with all of those before the point."""
    is_long = 10**digits <= abs(value) < 1e12
    return f"{value:.0f}" if is_long else f"{value:.{digits}g}"


def _rows_to_show(
    rows: Sequence[Facts], is_normal: Callable[[Facts], bool], every: bool
) -> tuple[Sequence[Facts], int]:
    """The rows for a page, and the number of abnormal ones."""
    abnormal = [row for row in rows if not is_normal(row)]
    return (rows if every or len(rows) <= MANY else abnormal[:MANY]), len(abnormal)


def _shortened(head: str, table: Table, shown: int, abnormal: int) -> RenderableType:
    """The total, the abnormal rows, and a note on how to see the others."""
    rest = f"{abnormal - shown:,} more of these; " if abnormal > shown else ""
    parts: list[RenderableType] = [Text(head), *([table] if shown else [])]
    return Group(*parts, Text(f"({rest}--all shows every one)", style="dim"))


def detectors(facts: Facts) -> Table:
    """A table of detectors: whether each works, what it says, and its score against the threshold.

    Without a score, why there is none.
    """
    table = plain_table("detector", "works", "says", "score / threshold", "windows", "why not")
    for detector in facts["detectors"]:
        table.add_row(
            detector["name"],
            word(detector["state"]),
            _verdict(detector, facts["active"]),
            _bar(detector["score"], detector["threshold"], below=detector.get("below", False)),
            str(detector["scored"]),
            detector["reason"],
        )
    return table


def _verdict(detector: Facts, active: Sequence[Facts]) -> Text:
    """What a detector says of the machine, which is not whether the detector works."""
    mine = [alert for alert in active if alert["detector"] == detector["name"]]
    if mine:
        worst = max((alert["severity"] for alert in mine), key=lambda s: Severity(s).rank)
        count = "ALARM" if len(mine) == 1 else f"{len(mine)} ALARMS"
        return Text(f"{count}, {worst}", style=_STYLE[worst])
    return Text("no alarm" if detector["state"] == "ok" else "–", style="dim")


def _bar(score: float | None, threshold: float | None, *, below: bool) -> Text:
    if score is None or threshold is None:
        return Text("–", style="dim")
    numbers = f"{score:.3g} / {threshold:.3g}"
    if below or threshold <= 0:
        # A bar from zero would say the contrary.
        is_beyond = score < threshold if below else score > threshold
        return Text(numbers, style="bold red" if is_beyond else "dim")
    ratio = score / threshold
    # The threshold is at two thirds of the bar, so that scores beyond it show.
    filled = max(0, min(_BAR, round(ratio * _BAR * 2 / 3)))
    style = "bold red" if ratio > 1 else "dim"
    bar = "█" * filled + "·" * (_BAR - filled)
    mark = round(_BAR * 2 / 3)
    return Text.assemble((bar[:mark], style), ("│", "bold"), (bar[mark:], style), f" {numbers}")


def sources(facts: Facts, *, every: bool = False) -> RenderableType:
    """A table of sources: state, for how long, age of the newest sample, connection losses."""
    table = plain_table("source", "state", "since", "age", "samples", "lost", "why")
    shown, down = _rows_to_show(facts["sources"], lambda source: bool(source["up"]), every)
    for source in shown:
        state = word("up" if source["up"] else "down")
        since, age = _span(source["since_s"]), _age(source["age_s"])
        counts = f"{source['samples']:,}", f"{source['losses']:,}"
        table.add_row(source["name"], state, since, age, *counts, _why(source))
    total = len(facts["sources"])
    if len(shown) == total:
        return table
    return _shortened(f"{total:,} sources: {total - down:,} up", table, len(shown), down)


def _why(source: Facts) -> str:
    """Why a source is down; else its lost samples, corrected times and first diagnostic."""
    if not source["up"]:
        return str(source["error"])
    times = sorted(set(source.get("corrected", {}).values()))
    lost, diagnostics = source.get("lost_samples", 0), list(source.get("diagnostics", ()))
    parts = [f"{lost:,} samples lost at the source"] if lost else []
    more = f" (and {len(diagnostics) - 1} more: --json)" if len(diagnostics) > 1 else ""
    parts += [f"times corrected by {', '.join(times[:NAMED])}"] if times else []
    return "; ".join([*parts, *(f"{each}{more}" for each in diagnostics[:1])])


def sinks(facts: Facts) -> Table:
    """A table of sinks: bytes sent, and the budget of this hour."""
    table = plain_table("sink", "state", "sent", "this hour", "why")
    for sink in facts["sinks"]:
        state = word("up" if sink["up"] else "down")
        hour = f"{sink['spent']:,} of {sink['budget']:,} B" if sink["budget"] else "–"
        table.add_row(sink["name"], state, f"{sink['sent_bytes']:,} B", hour, sink["error"])
    return table


def ledger(facts: Facts) -> Table:
    """A table of the last days: bytes read, bytes of raw forwarding, bytes sent."""
    table = plain_table(
        "day (UTC)", "read", "raw forwarding, gzip", "sent", "of which clips", "saved"
    )
    for day in facts["ledger"][:DAYS]:
        raw, sent = day["raw_gzip"], day["sent"]
        # Without anything sent no saving is claimed: perhaps nothing can be sent.
        saved = f"{1 - sent / raw:.1%}".replace("%", " %") if raw and sent else "–"
        flows = (day["read"], raw, sent, day["clips"])
        table.add_row(day["day"], *(f"{count:,} B" for count in flows), saved)
    return table


def history(facts: Facts) -> Text:
    """One sentence on the raw samples kept on this machine."""
    oldest = facts.get("oldest_at")
    since = (
        f" since {time.strftime('%Y-%m-%d %H:%M', time.localtime(oldest / 1e9))}" if oldest else ""
    )
    kept = f"history: {facts.get('bytes', 0) / 1e6:,.1f} MB{since}"
    if facts.get("clips"):
        clips = facts["clips"]
        kept += f"; clips: {clips['cut']:,} sent, {clips['left_out']:,} left out"
    if facts["error"]:
        return Text(f"{kept}, {facts['dropped']:,} samples lost: {facts['error']}", style="yellow")
    return Text(kept, style="dim")


def alerts(facts: Facts) -> RenderableType:
    """A table of the active alarms and the last transitions, with ids, messages and causes."""
    if not facts["alerts"] and not facts["active"]:
        return Text("no alarms", style="dim")
    latest = {alert["id"]: alert for alert in [*facts["active"], *facts["alerts"]]}
    table = plain_table("time", "severity", "state", "alarm")
    for alert in sorted(latest.values(), key=lambda a: -a["at"])[:8]:
        words = [alert["id"], alert["message"]]
        if alert["tag"] is None and not any(top["reason"] for top in alert["top_tags"]):
            words.append(causes(alert["top_tags"]))
        table.add_row(
            time.strftime("%H:%M:%S", time.localtime(alert["at"] / 1e9)),
            word(alert["severity"]),
            alert["state"],
            "\n".join(filter(None, words)),
        )
    return table


def causes(top: Sequence[Facts]) -> str:
    """The tags that caused an alert: name, share, actual and expected value."""
    return ", ".join(_cause(tag) for tag in top[:3])


def _cause(tag: Facts) -> str:
    if tag["reason"]:
        return f"{tag['tag']} ({tag['reason']})"
    cause = f"{tag['tag']} {tag['share']:.0%}"
    if tag["actual"] is None:
        return cause
    if tag["expected"] is None:
        return f"{cause} ({tag['actual']:.4g})"
    return f"{cause} ({tag['actual']:.4g}, expected {tag['expected']:.4g})"


def page(facts: Facts, title: str, extra: RenderableType = "") -> RenderableType:
    """The page that a live terminal refreshes."""
    parts = (overview(facts), tags(facts), detectors(facts), alerts(facts), extra)
    return Panel(Group(*parts), title=title, border_style="dim")


def plain_table(*columns: str) -> Table:
    """A table without borders, numbers aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim underline", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("value", "samples", "age") else "left"
        )
    return table


def _age(seconds: float | None) -> str:
    """The age of data: '0.4 s', '2 min 5 s', '27 years', or a dash if there is none."""
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < 60 else spell(int(seconds) * SECOND)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
