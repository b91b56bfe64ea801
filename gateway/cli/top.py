"""`andon top LINE.yaml ...`: running lines in a terminal."""

import asyncio
import getpass
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.api.extras import how_to_install

if TYPE_CHECKING:
    from gateway.top.lines import Watched

DRAWN = (100, 30)
"""Columns and rows of a picture."""


@click.command("top")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--once", is_flag=True, help="Print one frame as plain text, then end.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw one frame to this file, for a report, then end.",
)
@click.option("--by", default=getpass.getuser, show_default="your login", help="Who acts.")
def command(files: Sequence[Path], *, once: bool, svg: Path | None, by: str) -> None:
    """Show the running lines FILES, and act on their alarms by key.

    ? shows the keys. With --once no extra package is needed; exit code 1 if a daemon does not
    answer.
    """
    lines = _lines(files)
    if once:
        sys.exit(0 if _print_once(lines) else 1)
    if find_spec("textual") is None:
        raise click.ClickException(
            f"andon top needs textual: {how_to_install('top')}; or use --once, which does not"
        )
    if svg is not None:
        from gateway.top.app import Top

        Top(lines, by).draw(svg, DRAWN)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException("andon top needs a terminal: use --once in a script")
    from gateway.top.app import Top

    Top(lines, by).run()


def _lines(files: Sequence[Path]) -> "list[Watched]":
    from gateway.config.load import load
    from gateway.config.state import state_folders
    from gateway.top.lines import Watched

    configs = [load(file) for file in dict.fromkeys(files)]
    names = [config.line for config in configs]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise click.ClickException(f"two of these files have the line {twice}: name one of them")
    return [Watched(config.line, state_folders(config)) for config in configs]


def _print_once(lines: "Sequence[Watched]") -> bool:
    """Prints one frame; whether all daemons answered."""
    from gateway.top.frame import frame

    async def ask() -> None:
        await asyncio.gather(*(line.refresh() for line in lines))

    asyncio.run(ask())
    click.echo(frame(lines, time.time_ns()))
    return not any(line.why for line in lines)
