"""`andon panel LINE.yaml ...`: the page at the line."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.masking import mask
from gateway.api.visible import LINES, visible
from gateway.cli.run import EX_CONFIG, EX_IOERR
from gateway.telemetry import logs

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("panel")
@click.argument("files", metavar="LINE.yaml...", type=_FILE, nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=9470, show_default=True, help="0: a free one."
)
@click.option("--name", "names", multiple=True, help="A further name of this machine in addresses.")
@click.option("--cert", type=_FILE, help="Certificate of the panel (PEM), for TLS.")
@click.option("--key", type=_FILE, help="Its private key (PEM), without a password.")
@click.option("--client-ca", type=_FILE, help="Browsers with a certificate of this CA may operate.")
@click.option("--view-token", type=_FILE, help="File with the token of those who may look.")
@click.option("--operate-token", type=_FILE, help="File with the token of those who may act.")
def command(
    files: Sequence[Path],
    host: str,
    port: int,
    names: Sequence[str],
    cert: Path | None,
    key: Path | None,
    client_ca: Path | None,
    view_token: Path | None,
    operate_token: Path | None,
) -> None:
    """Show the alarms of these files' lines as a web page.

    It talks to the daemons over their sockets, as the same user. On 127.0.0.1 everybody on this
    machine may operate; other addresses need TLS and tokens or client certificates. Exit code 78
    if the settings are wrong.
    """
    try:
        _check_packages()
        from gateway.panel.settings import Settings

        settings = Settings(
            host, port, tuple(names), cert, key, client_ca, view_token, operate_token
        )
        logs.configure("panel")
        asyncio.run(_serve(files, settings))
    except ConfigError as error:
        click.echo(visible(mask(str(error)), LINES), err=True)
        sys.exit(EX_IOERR if error.may_pass else EX_CONFIG)


def _check_packages() -> None:
    if find_spec("jinja2") is None:
        raise ConfigError(f"the panel needs Jinja2: {how_to_install('panel')}")


async def _serve(files: Sequence[Path], settings: object) -> None:
    from gateway.panel.server import panel
    from gateway.panel.settings import Settings
    from gateway.telemetry.systemd import notify

    assert isinstance(settings, Settings)  # noqa: S101 - imported when it is needed
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with panel(_lines(files), settings) as port:
        scheme = "https" if settings.certificate else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        click.echo(f"the panel is at {scheme}://{host}:{port}/; Ctrl-C ends it", err=True)
        notify("READY=1")
        await stop.wait()
        notify("STOPPING=1")


def _lines(files: Sequence[Path]) -> dict[str, list[Path]]:
    """The possible sockets of each line, by its name."""
    from gateway.config.load import load
    from gateway.config.state import state_folders
    from gateway.control.server import SOCKET

    lines: dict[str, list[Path]] = {}
    for file in files:
        config = load(file)
        if config.line in lines:
            raise ConfigError(f"{file}: another file is of the line {config.line} as well")
        lines[config.line] = [folder / SOCKET for folder in state_folders(config)]
    return lines
