"""`andon alarms LINE.yaml ...`: the alarms of a running line, and what people do to them."""

from pathlib import Path

import click

from gateway.cli.alarm.acts import COMMANDS
from gateway.cli.alarm.journal import journal, show
from gateway.cli.alarm.labels import export_labels
from gateway.cli.alarm.listing import list_alarms
from gateway.cli.alarm.report import command as report
from gateway.cli.line_group import LineGroup


@click.group("alarms", cls=LineGroup)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """List, acknowledge and shelve the alarms of FILE's daemon.

    Exit code 1 if no daemon answers, or if it refuses.
    """
    ctx.obj = file


for each in (list_alarms, *COMMANDS, journal, show, report, export_labels):
    command.add_command(each)
