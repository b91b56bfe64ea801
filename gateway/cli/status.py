"""`andon status LINE.yaml`: shows the state of the running daemon, over its local socket."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

SERVICE_STATE = Path("/var/lib/andon")
"""The state folder of the systemd service."""


def state_folders(config: Any) -> list[Path]:
    """The folders that may hold the line's state; a shell lacks the service's $STATE_DIRECTORY."""
    return list(dict.fromkeys((config.places.state, SERVICE_STATE / config.line)))


async def ask_daemon(file: Path, path: str = "/status", body: Any = None) -> Any:
    """The response of the daemon that runs this line file; None if none answers."""
    from gateway.config.load import load
    from gateway.control.client import ask
    from gateway.control.server import SOCKET

    config = load(file)
    for folder in state_folders(config):
        response = await ask(folder / SOCKET, path, body)
        if response is not None:
            return response
    return None


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
    """Show the state of the running daemon of FILE.

    With more than 60 tags or sources, it counts them and lists the abnormal ones. Exit code 0 if
    the whole line works, 1 if a part of it does not or no daemon answers.
    """
    facts = asyncio.run(ask_daemon(file))
    if facts is None:
        from gateway.config.load import load
        from gateway.control.server import SOCKET

        socket = load(file).places.state / SOCKET
        click.echo(f"no daemon answers at {socket}: is `andon run {file}` running?", err=True)
        sys.exit(1)
    if svg is not None:
        from gateway.cli.show import draw_status

        draw_status(facts, svg)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        from gateway.cli.show import show_status

        show_status(facts, every=every)
    sys.exit(0 if facts["health"] == "ok" else 1)
