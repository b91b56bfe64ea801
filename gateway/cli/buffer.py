"""`andon buffer LINE.yaml ...`: what waits, what was lost, and the points that a sink refused.

It asks the running daemon: nobody else may open the buffer.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.status import ask_daemon


@click.group("buffer")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """Look into the buffer of the daemon that runs FILE; exit code 1 when none answers."""
    ctx.obj = file


def _ask(file: Path, path: str, tell: Any = None) -> Any:
    facts = asyncio.run(ask_daemon(file, path, tell))
    if facts is None:
        click.echo(f"no andon answers: is `andon run {file}` running?", err=True)
        sys.exit(1)
    if isinstance(facts, dict) and "error" in facts:
        click.echo(facts["error"], err=True)
        sys.exit(1)
    return facts


def _time(nanos: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(nanos / 1e9)) if nanos else "?"


@command.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def stat(file: Path, as_json: bool) -> None:
    """What waits for the sinks, what it costs, and what was lost."""
    facts = _ask(file, "/buffer")
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name in ("alerts", "summaries", "gateway", "clips", "dead_letters", "merged"):
        click.echo(f"{name:<14}{facts[name]:>14,}")
    click.echo(f"{'bytes':<14}{facts['bytes']:>14,} of {facts['max_bytes']:,}")
    click.echo(f"{'oldest':<14}{_time(facts['oldest_at'] or 0)}")
    if not facts["ballast_held"]:
        click.echo("the disk is full: only alerts are stored")
    for aside in facts["set_aside"]:
        click.echo(f"damaged file set aside: {aside}")
    for loss in facts["losses"]:
        span = f"{_time(loss['since'])} to {_time(loss['until'])}"
        click.echo(f"lost: {loss['count']:,} of class {loss['kind']}, {loss['reason']}, {span}")


@command.command("list")
@click.option("--limit", default=50, show_default=True, help="How many, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def list_letters(file: Path, limit: int, as_json: bool) -> None:
    """The points that a sink refused for good, with its words."""
    for letter in _ask(file, f"/buffer/letters?limit={limit}"):
        if as_json:
            click.echo(json.dumps(letter))
        else:
            who = letter["sink"] or "-"
            click.echo(f"{letter['id']:>6}  {_time(letter['rejected_at'])}  {who}: {letter['why']}")
            click.echo(f"        {letter['line']}")


@command.command()
@click.argument("out", type=click.File("w", encoding="utf-8"), default="-")
@click.pass_obj
def export(file: Path, out: Any) -> None:
    """Write the refused points to OUT (or the terminal) as line protocol, ready for `influx write`.

    Rows that were damaged on disk are left out: `list --json` shows them.
    """
    for letter in reversed(_ask(file, "/buffer/letters")):
        if letter["sink"]:
            out.write(f"# {letter['sink']}: {' '.join(letter['why'].split())}\n{letter['line']}\n")


@command.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were refused.")
@click.pass_obj
def requeue(file: Path, ids: tuple[int, ...], everything: bool) -> None:
    """Send refused points once more, by the numbers that `list` shows, or --all.

    They go to every sink; one that has them already stores them once all the same. Rows that were
    damaged on disk stay where they are.
    """
    if bool(ids) == everything:
        raise click.UsageError("name the numbers to requeue, or --all")
    answer = _ask(file, "/buffer/requeue", {"ids": None if everything else list(ids)})
    click.echo(f"{answer['requeued']} requeued")
    sys.exit(0 if answer["requeued"] or everything else 1)
