"""`andon alarms LINE.yaml report`: how good the alarms were, and what the standards recommend."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.api.click_types import DURATION
from gateway.api.durations import spell_roughly
from gateway.api.local_time import local_time
from gateway.api.model import Nanos
from gateway.api.visible import visible
from gateway.api.wording import counted
from gateway.cli.alarm.colours import styled
from gateway.cli.alarm.journal_source import read_journal
from gateway.cli.alarm.report_page import page
from gateway.cli.daemon import understood
from gateway.core.alarms.performance import DAY, performance
from gateway.core.alarms.recommended import Figure, Report, report
from gateway.core.alarms.transitions import needed, transitions

EARLIER: Nanos = 7 * DAY
"""How long before the time span entries are read, for alarms that were raised before it."""


@click.command("report")
@click.option("--since", type=DURATION, default=30 * DAY, show_default="30d", help="How far back.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a page to this file; it needs no other file and no network.")  # fmt: skip
@click.pass_obj
def command(file: Path, since: Nanos, html: Path | None, *, as_json: bool) -> None:
    """Rate the alarms of a time span by ISA-18.2 and EEMUA 191.

    A time span that begins before the journal does is cut to that. If no daemon runs, its buffer is
    read.
    """
    from gateway.config.load import load

    config, end = load(file), time.time_ns()
    first = max(end - since - EARLIER, 0)
    found = read_journal(file, since=first, until=end, with_open=True, keep=needed)
    with understood():
        oldest = found.entries[-1].at if found.entries else end
        start = max(end - since, min(oldest, end - 1))
        active = [each for each in found.open if each["active"]]
        entries = transitions(list(reversed(found.entries)), active)
        made = report(entries, performance(entries, start, end))
    if html is not None:
        text = page(made, config.line, config.site)
        try:
            html.write_text(text, encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{html} cannot be written: {error.strerror}") from error
        click.echo(f"written to {html}", err=True)
    if as_json:
        click.echo(json.dumps(_facts(made, config.line, config.site)))
    elif html is None:
        for row in _table(made, config.line):
            click.echo(row)


def _facts(made: Report, line: str, site: str) -> dict[str, Any]:
    return {
        "line": line,
        "site": site,
        **vars(made.of),
        "alarms_per_hour_from_start": list(made.hours),
        "figures": [asdict(each) for each in made.figures],
    }


def _table(made: Report, line: str) -> Iterator[str]:
    of = made.of
    length = spell_roughly(of.end - of.start)
    yield styled(f"{line}: {counted(of.alarms, 'alarm')} in {length}", bold=True)
    yield f"{local_time(of.start)} to {local_time(of.end)}"
    yield ""
    width = max(len(each.name) for each in made.figures)
    values = max(len(each.value) for each in made.figures)
    for each in made.figures:
        row = f"{each.name:<{width}}  {each.value:<{values}}  {each.recommended:<24}"
        yield f"{_mark(each)} {row}  {each.source if each.recommended else ''}".rstrip()
    for title, names in (("Chattering", of.chattering), ("Stale", of.stale)):
        if names:
            yield ""
            yield title
            yield from (f"  {visible(name)}" for name in names)
    if of.top:
        yield ""
        yield "Most frequent"
        yield from (f"  {count:>6,}  {visible(name)}" for name, count in of.top)


def _mark(figure: Figure) -> str:
    if figure.is_met is None:
        return "  "
    return styled("✓ ", fg="green") if figure.is_met else styled("✗ ", fg="red")
