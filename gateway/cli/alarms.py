"""`andon alarms LINE.yaml ...`: the alarms of a running line, and acknowledging one."""

import getpass
import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.api.nearest import nearest
from gateway.cli import alarm_journal, alarm_report
from gateway.cli.daemon import ask, understood
from gateway.control.client import ControlError


@click.group("alarms")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """List and acknowledge the alarms of FILE's daemon.

    Exit code 1 if no daemon answers, or if it refuses.
    """
    ctx.obj = file


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
@click.pass_obj
def list_alarms(file: Path, as_json: bool) -> None:
    """List the alarms that are not normal, the newest last."""
    facts = ask(file, "/alarms", exact=as_json)
    with understood():
        alarms = sorted(facts, key=lambda alarm: alarm["opened_at"])
        for alarm in alarms:
            click.echo(json.dumps(alarm) if as_json else _row(alarm))
    if not alarms and not as_json:
        click.echo("no alarm")


@command.command("ack")
@click.argument("alarm")
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who has seen it.")
@click.pass_obj
def acknowledge(file: Path, alarm: str, by: str) -> None:
    """Acknowledge an active alarm by the id that `list` shows.

    The command ends when the acknowledgement is on disk.
    """
    try:
        answer = ask(file, "/alarms/act", {"id": alarm, "act": "acknowledge", "by": by})
    except ControlError as refused:
        facts = ask(file, "/alarms")
        with understood():
            ids = [str(each["id"]) for each in facts]
        if refused.status != 409 or alarm in ids:
            raise
        hint = nearest(alarm, ids) if ids else "every alarm is normal"
        raise ControlError(refused.status, f"{refused}; {hint}") from refused
    with understood():
        click.echo(answer["message"])


def _row(alarm: dict[str, Any]) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(alarm["opened_at"] / 1e9))
    by = f" by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
    words = (since, f"{alarm['severity']:<8}", f"{alarm['state']}{by}", alarm["id"])
    return "  ".join((*words, alarm["message"]))


for each in (alarm_journal.journal, alarm_journal.show, alarm_report.command):
    command.add_command(each)
