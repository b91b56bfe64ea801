"""`andon maintenance LINE.yaml ...`: switch maintenance on and off, and ask whether it is on."""

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.api.click_types import up_to
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos
from gateway.cli.daemon import ask, understood
from gateway.cli.line_group import LineGroup


@click.group("maintenance", cls=LineGroup)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """Say that FILE's line is in maintenance: no process alarms.

    Sensor alarms go on. Exit code 1 if no daemon answers, or if it refuses.
    """
    ctx.obj = file


@command.command("on")
@click.option("--for", "length", type=up_to("30d"),
              help="How long, as in 2h, at most 30 days; then it ends by itself.")  # fmt: skip
@click.option("--until-off", is_flag=True, help="Until `off`, instead of --for.")
@click.option(
    "--reason", "--why", default="", help="Why; it is shown meanwhile and kept in the journal."
)
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who begins it.")
@click.pass_obj
def on(file: Path, length: Nanos | None, until_off: bool, reason: str, by: str) -> None:
    """Begin maintenance, or change its end and its reason."""
    if until_off == (length is not None):
        raise click.UsageError("give --for, as in --for 2h, or --until-off")
    body: dict[str, Any] = {"on": True, "by": by}
    if length is not None:
        body["for_s"] = length / SECOND
    if reason:
        body["why"] = reason
    _show(ask(file, "/maintenance", body))


@command.command("off")
@click.option("--reason", "--why", default="", help="Why; it is kept in the journal.")
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who ends it.")
@click.pass_obj
def off(file: Path, reason: str, by: str) -> None:
    """End maintenance, also if a tag or another person began it."""
    why = {"why": reason} if reason else {}
    _show(ask(file, "/maintenance", {"on": False, "by": by, **why}))


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.pass_obj
def show(file: Path, as_json: bool) -> None:
    """Say whether maintenance is on, since and until when, by whom and why."""
    facts = ask(file, "/maintenance", exact=as_json)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _show(facts)


def _show(facts: Any) -> None:
    with understood():
        click.echo(in_words(facts))


def in_words(facts: Mapping[str, Any]) -> str:
    """One sentence on the maintenance of a line."""
    if not facts["on"]:
        return "maintenance is off"
    until = facts["until"]
    end = "until it is switched off" if until is None else f"until {_time(until)}"
    if facts["source"] != "command":
        end = "until the tag has another value"
    by = f" by {facts['by']}" if facts["by"] else ""
    why = f": {facts['why']}" if facts["why"] else ""
    return f"maintenance is on since {_time(facts['since'])} {end}{by}{why}"


def _time(at: Nanos) -> str:
    return local_time(at, "%Y-%m-%d %H:%M")
