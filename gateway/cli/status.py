"""`andon status LINE.yaml`: shows the state of the running daemon, over its local socket."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from gateway.api.visible import shown
from gateway.cli.daemon import ask, understood


@click.command("status")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--all", "every", is_flag=True, help="All tags and sources, however many.")
@click.option("--json", "as_json", is_flag=True, help="The whole status as JSON.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw it to this file, for a report.",
)
def command(file: Path, every: bool, as_json: bool, svg: Path | None) -> None:
    """Show the state of FILE's running daemon.

    With more than 60 tags or sources, it counts them and lists the abnormal ones. Exit code 0 if
    the whole line works, 1 if a part of it does not or no daemon answers.
    """
    facts = ask(file, exact=True)
    with understood():
        _show(facts, every=every, as_json=as_json, svg=svg)
        sys.exit(0 if facts.get("health") == "ok" else 1)


def _show(facts: Any, *, every: bool, as_json: bool, svg: Path | None) -> None:
    if svg is not None:
        from gateway.cli.show import draw_status

        draw_status(shown(facts), svg)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        from gateway.cli.show import show_status

        show_status(shown(facts), every=every)
