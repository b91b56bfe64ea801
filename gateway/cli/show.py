"""The status of a running line for the terminal, shared by `andon status` and `andon demo`."""

import re
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from gateway.api.alarms import Severity
from gateway.api.durations import spell
from gateway.api.model import SECOND
from gateway.cli.maintenance import in_words
from gateway.cli.other_version import completed
from gateway.cli.pieces import REASONS, STYLE, Facts, name_of, word
from gateway.cli.show_delivery import history, ledger, services, sinks
from gateway.cli.show_detectors import alerts, detectors
from gateway.cli.show_sources import sources, tags


def show_status(facts: Facts, *, every: bool = False) -> None:
    """Prints the whole status; with `every`, all tags and sources however many."""
    console = Console(markup=False, emoji=False)
    for part in _parts(completed(facts), every=every):
        console.print(part)


def draw_status(facts: Facts, path: Path) -> None:
    """Writes the whole status as an SVG picture."""
    console = Console(markup=False, emoji=False, record=True, width=118, file=StringIO())
    console.print(Group(*_parts(completed(facts))))
    picture = console.export_svg(title=f"andon status {facts.get('line', '–')}")
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
        services(facts),
        alerts(facts),
    ]


def overview(facts: Facts) -> RenderableType:
    """The line's name, health, alarms, uptime and counters, with the reasons for not ready."""
    up = (facts["now"] - facts["started"]) / 1e9
    counters = facts["counters"]
    head = Text.assemble(
        (facts["line"], "bold"),
        f" at {facts['site']}  ",
        word(facts["health"]),
        "  ",
        _alarms(facts),
        f"  up {spell(int(up) * SECOND)}  {counters['values_read']:,} values read, "
        f"{counters['windows_scored']:,} windows scored",
    )
    if (facts.get("maintenance") or {}).get("on"):
        head.append(f"\n  {in_words(facts['maintenance'])}", style="yellow")
    reasons = [Text(f"  {why}", style="yellow") for why in facts["not_ready"][:REASONS]]
    if len(facts["not_ready"]) > REASONS:
        left_out = len(facts["not_ready"]) - REASONS
        reasons.append(Text(f"  and {left_out:,} more", style="yellow"))
    return Group(head, *reasons)


def _alarms(facts: Facts) -> Text:
    active = facts["active"]
    if not active:
        return Text("no active alarm", style="dim")
    worst = max((alert["severity"] for alert in active), key=lambda s: Severity(s).rank)
    severity = name_of(facts, "severity", worst)
    return Text(f" {len(active)} ACTIVE, {severity} ", style=STYLE[worst])


def page(facts: Facts, title: str, extra: RenderableType = "") -> RenderableType:
    """The page that a live terminal refreshes."""
    facts = completed(facts)
    parts = (overview(facts), tags(facts), detectors(facts), alerts(facts), extra)
    return Panel(Group(*parts), title=title, border_style="dim")
