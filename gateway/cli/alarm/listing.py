"""`andon alarms LINE.yaml list`: the alarms that are not normal, as a table or as JSON.

Promises
- In a terminal the message is wrapped to its width; anywhere else an alarm is one row.
- Colours are in a terminal alone, and not where NO_COLOR is set. Each is also a word.
"""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from gateway.api.alarms import AlarmState, Severity
from gateway.api.local_time import local_time
from gateway.cli.alarm.choose import Facts
from gateway.cli.alarm.colours import coloured
from gateway.cli.daemon import ask, understood

STATES: Mapping[str, str] = {
    AlarmState.UNACKNOWLEDGED: "active",
    AlarmState.ACKNOWLEDGED: "active, acknowledged",
    AlarmState.RETURNED_UNACKNOWLEDGED: "returned, not acknowledged",
    AlarmState.LATCHED_UNACKNOWLEDGED: "latched, not acknowledged",
    AlarmState.LATCHED_ACKNOWLEDGED: "latched, acknowledged",
    AlarmState.SHELVED: "shelved",
    AlarmState.SUPPRESSED: "suppressed by design",
    AlarmState.OUT_OF_SERVICE: "out of service",
}
FILTERS = (
    "active",
    "unacknowledged",
    "acknowledged",
    "returned",
    "latched",
    "shelved",
    "suppressed",
    "out-of-service",
)
LEAST_WIDTH = 40
"""Columns that a message has at least."""


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
@click.option("--state", "states", multiple=True, type=click.Choice(FILTERS),
              help="Only these; may be repeated.")  # fmt: skip
@click.option(
    "--severity",
    type=click.Choice([each.value for each in Severity]),
    help="Only of at least this.",
)
@click.pass_obj
def list_alarms(file: Path, as_json: bool, states: tuple[str, ...], severity: str | None) -> None:
    """List the alarms that are not normal, the newest last."""
    facts = ask(file, "/alarms", exact=as_json)
    with understood():
        alarms = sorted(facts, key=lambda alarm: int(alarm.get("began_at") or alarm["opened_at"]))
        wanted = [alarm for alarm in alarms if _is_wanted(alarm, states, severity)]
        for row in [json.dumps(a) for a in wanted] if as_json else _table(wanted):
            click.echo(row)
        if not as_json and not wanted:
            hidden = f" of these; {len(alarms)} of other states or severities" if alarms else ""
            click.echo(f"no alarm{hidden}")


def _is_wanted(alarm: Facts, states: Sequence[str], severity: str | None) -> bool:
    if severity and Severity(alarm["severity"]).rank < Severity(severity).rank:
        return False
    return not states or any(_is_in(alarm, state) for state in states)


def _is_in(alarm: Facts, wanted: str) -> bool:
    state = str(alarm["state"])
    if wanted == "active":
        return state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
    if wanted in ("unacknowledged", "acknowledged"):
        return state == wanted or state.endswith(f"_{wanted}")
    return state.startswith(wanted.replace("-", "_"))


def _table(alarms: Sequence[Facts]) -> list[str]:
    rows = [_cells(alarm) for alarm in alarms]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
    return [_row(row, widths) for row in rows]


def _cells(alarm: Facts) -> tuple[str, ...]:
    state = STATES.get(alarm["state"], str(alarm["state"]))
    if until := alarm.get("shelved_until"):
        state += f" until {local_time(until, '%Y-%m-%d %H:%M')}"
    is_hidden = alarm["state"] in (AlarmState.SHELVED, AlarmState.OUT_OF_SERVICE)
    by = alarm.get("by") if is_hidden else alarm["acknowledged_by"]
    since = local_time(alarm["opened_at"], "%Y-%m-%d %H:%M:%S") if alarm["opened_at"] else "-"
    message = alarm["message"] + (f" ({alarm['reason']})" if alarm.get("reason") else "")
    if alarm.get("verdict"):
        message += f" [verdict: {alarm['verdict']}]"
    return since, alarm["severity"], state, f"by {by}" if by else "-", alarm["id"], message


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells[:5], widths, strict=True)]
    severity = padded[1]
    message = cells[5]
    indent = sum(widths) + 2 * len(widths)
    if sys.stdout.isatty():
        severity = coloured(severity, cells[1])
        message = _wrapped(message, indent)
    return "  ".join((padded[0], severity, *padded[2:], message))


def _wrapped(message: str, indent: int) -> str:
    width = shutil.get_terminal_size().columns
    if width - indent < LEAST_WIDTH:
        # Beside the other columns there is no room: it comes below them.
        indent = 4
        lines = textwrap.wrap(message, max(width - indent, LEAST_WIDTH))
        return "".join(f"\n{' ' * indent}{line}" for line in lines)
    return f"\n{' ' * indent}".join(textwrap.wrap(message, width - indent))
