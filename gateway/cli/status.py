"""`andon status LINE.yaml`: asks the running daemon over its local socket."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

SERVICE_STATE = Path("/var/lib/andon")
"""Where the service of systemd/ keeps its lines."""


def state_folders(config: Any) -> list[Path]:
    """Where the line's state may be: a person's shell lacks the service's $STATE_DIRECTORY."""
    return list(dict.fromkeys((config.places.state, SERVICE_STATE / config.line)))


async def ask_daemon(file: Path, path: str = "/status", tell: Any = None) -> Any:
    """What the daemon of this line file answers; None when there is none."""
    from gateway.config.load import load
    from gateway.control.client import ask
    from gateway.control.server import SOCKET

    config = load(file)
    for place in state_folders(config):
        answer = await ask(place / SOCKET, path, tell)
        if answer is not None:
            return answer
    return None


@click.command("status")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--all", "every", is_flag=True, help="Every tag and source, however many.")
@click.option("--json", "as_json", is_flag=True, help="Everything the daemon knows, as JSON.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw it into this file, for a report.",
)
def command(file: Path, every: bool, as_json: bool, svg: Path | None) -> None:
    """Show what the running daemon of FILE knows.

    With more than 60 tags or sources, it counts them and lists those that are not well. Exit code
    0 when the whole line works, 1 when a part of it does not or no daemon answers.
    """
    facts = asyncio.run(ask_daemon(file))
    if facts is None:
        from gateway.config.load import load
        from gateway.control.server import SOCKET

        socket = load(file).places.state / SOCKET
        click.echo(f"no andon answers at {socket}: is `andon run {file}` running?", err=True)
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
