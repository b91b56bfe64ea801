"""`andon buffer LINE.yaml ...`: waiting points, losses, and the points that a sink rejected.

It asks the running daemon, the only process that may open the buffer.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from gateway.api.local_time import local_time
from gateway.api.visible import LINES, visible
from gateway.cli.daemon import ask, understood
from gateway.cli.line_group import LineGroup

PAGE = 1_000
"""Rejected points that the daemon returns at a time, at most."""
MOST = 100_000
"""More than a buffer keeps."""


@click.group("buffer", cls=LineGroup)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """Inspect the buffer of FILE's running daemon.

    Exit code 1 if no daemon answers.
    """
    ctx.obj = file


def _time(nanos: int) -> str:
    return local_time(nanos) if nanos else "?"


@command.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def stat(file: Path, as_json: bool) -> None:
    """Show the points that wait for the sinks, their size, and losses."""
    facts = ask(file, "/buffer", exact=as_json)
    if as_json:
        click.echo(json.dumps(facts))
        return
    with understood():
        _show(facts)


def _show(facts: Any) -> None:
    for name in ("alerts", "summaries", "gateway", "clips", "dead_letters", "merged"):
        click.echo(f"{name:<14}{facts[name]:>14,}")
    click.echo(f"{'bytes':<14}{facts['bytes']:>14,} of {facts['max_bytes']:,}")
    click.echo(f"{'oldest':<14}{_time(facts['oldest_at'] or 0)}")
    if not facts["ballast_held"]:
        click.echo("the disk is full: only alerts are stored")
    for name in facts["set_aside"]:
        click.echo(f"damaged file set aside: {name}")
    for sentence in facts["given_up_why"]:
        click.echo(sentence)
    for loss in facts["losses"]:
        span = f"{_time(loss['since'])} to {_time(loss['until'])}"
        click.echo(f"lost: {loss['count']:,} of class {loss['kind']}, {loss['reason']}, {span}")


@command.command("list")
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
@click.pass_obj
def list_dead_letters(file: Path, limit: int, as_json: bool) -> None:
    """List the points that a sink rejected for good, and why."""
    for entry in _letters(file, limit):
        if as_json:
            click.echo(json.dumps(entry))
            continue
        with understood():
            sink = entry["sink"] or "-"
            head = f"{entry['id']:>6}  {_time(entry['rejected_at'])}  {sink}: {entry['why']}"
            click.echo(visible(head))
            click.echo(visible(f"        {entry['line']}"))


def _letters(file: Path, limit: int) -> Iterator[Any]:
    """The newest dead letters, page by page."""
    before = 2**63 - 1
    while limit > 0:
        page = ask(file, f"/buffer/letters?limit={min(limit, PAGE)}&before={before}", exact=True)
        with understood():
            numbers = [int(entry["id"]) for entry in page]
            if any(b >= a for a, b in pairwise([before, *numbers])):
                raise ValueError("the rejected points come in no order")
        yield from page
        if len(page) < PAGE:
            return
        limit -= len(page)
        before = numbers[-1]


@command.command()
@click.argument("out", type=click.File("w", encoding="utf-8"), default="-")
@click.pass_obj
def export(file: Path, out: Any) -> None:
    """Write the rejected points to OUT as line protocol.

    `influx write` accepts it; without OUT it goes to the terminal. Rows that were damaged on disk
    are left out: `list --json` shows them.
    """
    letters = list(_letters(file, MOST))
    with understood():
        for entry in reversed(letters):
            if entry["sink"]:
                head = f"# {entry['sink']}: {' '.join(entry['why'].split())}"
                text = f"{head}\n{entry['line']}\n"
                out.write(visible(text, keep=LINES) if out.isatty() else text)


@command.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All rejected points.")
@click.pass_obj
def requeue(file: Path, ids: tuple[int, ...], everything: bool) -> None:
    """Send rejected points again, by their numbers or --all.

    `list` shows the numbers. Each point goes to the sinks that rejected it, and a gap that was
    reported for it is taken back. Rows that were damaged on disk are not requeued.
    """
    if bool(ids) == everything:
        raise click.UsageError("give the numbers to requeue, or --all")
    response = ask(file, "/buffer/requeue", {"ids": None if everything else list(ids)})
    with understood():
        click.echo(f"{response['requeued']} requeued")
        sys.exit(0 if response["requeued"] or everything else 1)


@command.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them, and all losses.")
@click.pass_obj
def discard(file: Path, ids: tuple[int, ...], everything: bool) -> None:
    """Give rejected points up for good, by their numbers or --all.

    `list` shows the numbers, `export` saves the points. With --all the losses of the buffer count
    as known too: neither is reported as a fault any more.
    """
    if bool(ids) == everything:
        raise click.UsageError("give the numbers to discard, or --all")
    response = ask(file, "/buffer/discard", {"ids": None if everything else list(ids)})
    with understood():
        click.echo(f"{response['discarded']} discarded, {response['losses']} losses noted")
        sys.exit(0 if response["discarded"] or everything else 1)
