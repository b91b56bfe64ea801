"""`andon status LINE.yaml`: shows the state of the running daemon, over its local socket."""

import json
import sys
from pathlib import Path

import click

from gateway.cli.daemon import ask


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
    facts = ask(file)
    if svg is not None:
        from gateway.cli.show import draw_status

        draw_status(facts, svg)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        from gateway.cli.show import show_status

        show_status(facts, every=every)
    sys.exit(0 if facts.get("health") == "ok" else 1)
