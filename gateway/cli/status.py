"""`andon status LINE.yaml`: asks the running daemon over its local socket."""

import json
import sys
from pathlib import Path
from typing import Any

import click


@click.command("status")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything the daemon knows, as JSON.")
def command(file: Path, as_json: bool) -> None:
    """Show what the running daemon of FILE knows.

    Exit code 0 when the whole line works, 1 when a part of it does not or no daemon answers.
    """
    from gateway.config.load import load
    from gateway.control import SOCKET

    socket = load(file).places.state / SOCKET
    facts = ask(socket)
    if facts is None:
        click.echo(f"no andon answers at {socket}: is `andon run {file}` running?", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(facts))
    else:
        from gateway.cli.show import show_status

        show_status(facts)
    sys.exit(0 if facts["health"] == "ok" else 1)


def ask(socket: Path, path: str = "/status") -> Any:
    """The daemon's answer; None when nobody listens."""
    import asyncio

    import aiohttp

    async def get() -> Any:
        connector = aiohttp.UnixConnector(str(socket))
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(f"http://andon{path}") as answer,
        ):
            return await answer.json()

    try:
        return asyncio.run(get())
    except (OSError, aiohttp.ClientError, TimeoutError):
        return None
