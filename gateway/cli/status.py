"""`andon status LINE.yaml`: asks the running daemon over its local socket."""

import asyncio
import json
import sys
from pathlib import Path

import click


@click.command("status")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything the daemon knows, as JSON.")
def command(file: Path, as_json: bool) -> None:
    """Show what the running daemon of FILE knows.

    Exit code 0 when the whole line works, 1 when a part of it does not or no daemon answers.
    """
    from gateway.client import ask
    from gateway.config.load import load
    from gateway.control import SOCKET

    socket = load(file).places.state / SOCKET
    facts = asyncio.run(ask(socket))
    if facts is None:
        click.echo(f"no andon answers at {socket}: is `andon run {file}` running?", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        from gateway.cli.show import show_status

        show_status(facts)
    sys.exit(0 if facts["health"] == "ok" else 1)
