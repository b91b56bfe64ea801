"""`andon alarms LINE.yaml journal` and `show`: what happened, and everything about one alarm."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.api.click_types import DURATION
from gateway.api.local_time import local_time
from gateway.api.model import Nanos, Tag
from gateway.api.nearest import nearest
from gateway.api.visible import visible
from gateway.api.wording import number
from gateway.cli.alarm.colours import coloured
from gateway.cli.alarm.journal_source import ENTRIES, read_alarm, read_journal
from gateway.cli.daemon import understood
from gateway.control.client import ControlError
from gateway.core.alarms.journal import EntryKind, JournalEntry
from gateway.core.alarms.limits import limit_of

HOUR: Nanos = 3600 * 10**9
NAMES = 40


@click.command("journal")
@click.option("--since", type=DURATION, help="How far back, as in 8h; default: everything.")
@click.option("-n", "--lines", "limit", default=100, show_default=True,
              type=click.IntRange(1, 1_000_000), help="How many entries, the newest.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
@click.pass_obj
def journal(file: Path, since: Nanos | None, limit: int, *, as_json: bool) -> None:
    """List what happened to the alarms, the newest last.

    Transitions, acts of people, maintenance and restarts. If no daemon runs, its buffer is read.
    """
    start = time.time_ns() - since if since is not None else 0
    found = read_journal(file, since=max(start, 0), most=limit)
    with understood():
        for entry in reversed(found.entries):
            click.echo(json.dumps(entry.as_json()) if as_json else _row(entry))
    if as_json:
        return
    if found.more:
        click.echo(f"the newest {limit:,}; -n shows more of them", err=True)
    if not found.entries:
        click.echo("no entry")


def _row(entry: JournalEntry) -> str:
    severity = coloured(f"{entry.severity:<8}", entry.severity)
    what = entry.transition or entry.kind.value
    who = f"  by {entry.by}" if entry.by and entry.by not in entry.message else ""
    words = (local_time(entry.at), severity, f"{what:<12}", f"{visible(entry.id):<{NAMES}}")
    return f"{'  '.join(words)}  {visible(entry.message)}{visible(who)}".rstrip()


@click.command("show")
@click.argument("alarm")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show(file: Path, alarm: str, *, as_json: bool) -> None:
    """Show everything about one alarm, by its id.

    `list` and `journal` show the ids; detector.alarm is its newest occurrence. Why it was raised,
    its tags, its model, and each of its transitions. If no daemon runs, its buffer is read. Exit
    code 1 if there is no such alarm.
    """
    from gateway.config.load import load

    config = load(file)
    facts = _answer(file, alarm.strip())
    if as_json:
        click.echo(json.dumps(facts))
        return
    with understood():
        for row in _described(facts, {tag.name: tag for tag in config.tags}, file, config.file):
            click.echo(row)


def _answer(file: Path, alarm: str) -> dict[str, Any]:
    try:
        return read_alarm(file, alarm)
    except ControlError as error:
        if error.status != 404:
            raise
        recent = read_journal(file, most=ENTRIES).entries
        ids = list(dict.fromkeys(e.id for e in recent if e.kind is EntryKind.ALARM))
        newest = next((each for each in ids if each.rpartition("-")[0] == alarm), None)
        if newest is not None:
            return read_alarm(file, newest)
        near = nearest(alarm, ids) if ids else ""
        hint = near if near.startswith("did") else f"see andon alarms {file} journal"
        raise ControlError(404, f"{error}; {hint}") from error


def _described(
    facts: Mapping[str, Any], tags: Mapping[str, Tag], file: Path, line: Any
) -> Iterator[str]:
    alarm, entries = facts["alarm"], facts["entries"]
    raised = next((e["message"] for e in entries if e["transition"] == "raised"), None)
    yield coloured(visible(raised or alarm["message"]), str(alarm["severity"]))
    yield ""
    for name, value in _facts(alarm, tags):
        if value:
            yield f"  {name:<13}{visible(value)}"
    if facts["clip"]:
        yield f"  {'clip':<13}{visible(facts['clip'])}"
    elif line.history is not None:
        yield f"  {'samples':<13}andon clip {file} {visible(str(alarm['id']))}"
    yield from _tags(alarm, tags)
    yield ""
    yield "Transitions"
    for entry in entries:
        given = entry["facts"].get("verdict", "") if entry["transition"] == "commented" else ""
        by = f"by {entry['by']}" if entry["by"] else ""
        words = (local_time(entry["at"]), f"{entry['transition']:<13}", f"{entry['state']:<25}")
        rest = "  ".join(filter(None, (by, given, entry["reason"])))
        yield f"  {'  '.join(words)}  {visible(rest)}".rstrip()


def _facts(alarm: Mapping[str, Any], tags: Mapping[str, Tag]) -> Iterator[tuple[str, str]]:
    tag = tags.get(alarm["tag"]) if alarm["tag"] else None
    unit = f" {tag.unit}" if tag and tag.unit else ""
    side = "below" if alarm["below"] else "above"
    yield "id", alarm["id"]
    yield "state", f"{alarm['state']}, severity {alarm['severity']}"
    yield "began", local_time(alarm["began_at"]) if alarm["began_at"] else ""
    yield "raised", local_time(alarm["opened_at"]) if alarm["opened_at"] else ""
    name, bound = ("value", "limit") if alarm["tag"] else ("score", "threshold")
    limit = f"{bound} {_number(alarm['threshold'])}{unit}, active {side} it"
    yield name, f"{_number(alarm['value'])}{unit}; {limit}; farthest {_number(alarm['peak'])}{unit}"
    yield (
        "model",
        f"{alarm['model']}, coverage {_percent(alarm['coverage'])}" if alarm["model"] else "",
    )
    yield "advice", alarm["advice"]
    yield "acknowledged", f"by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
    yield "verdict", alarm["verdict"]
    yield "caused by", alarm["caused_by"]


def _tags(alarm: Mapping[str, Any], tags: Mapping[str, Tag]) -> Iterator[str]:
    top: Sequence[Mapping[str, Any]] = alarm["top_tags"]
    if not top:
        return
    limits = [limit_of(alarm, each["tag"]) for each in top]
    # A limit is no value that somebody expects.
    normal = "Expected" if None in limits else "Limit"
    width = max(3, *(len(each["tag"]) for each in top))
    yield ""
    yield f"  {'Tag':<{width}}  {'Share':>6}  {'Actual':>12}  {normal:>12}  Unit"
    for each, limit in zip(top, limits, strict=True):
        tag = tags.get(each["tag"])
        expected = each["expected"] if limit is None else limit
        cells = (_value(each["actual"], tag), _value(expected, tag))
        share = _percent(each["share"])
        words = f"{cells[0]:>12}  {cells[1]:>12}  {tag.unit if tag else '':<6}  {each['reason']}"
        yield visible(f"  {each['tag']:<{width}}  {share:>6}  {words}").rstrip()


def _value(value: float | None, tag: Tag | None) -> str:
    if value is None:
        return "–"
    return (tag.name_of(value) if tag else "") or _number(value)


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 4)
