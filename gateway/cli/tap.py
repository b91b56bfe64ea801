"""`andon tap LINE.yaml samples|windows|scores|alerts [GLOB]`: the live data of a daemon."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

import click

from gateway.api.visible import shown
from gateway.api.wording import number
from gateway.cli.daemon import understood

Facts = Mapping[str, Any]
FEW = 4


def _as_json(fact: Facts) -> str:
    return json.dumps(fact)


def _clock(at: int) -> str:
    seconds, rest = divmod(at, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 6)


def _sample(fact: Facts) -> str:
    value = f"{_number(fact['value'])} {fact['unit']}".rstrip()
    quality = fact["quality"] + (f": {fact['reason']}" if fact.get("reason") else "")
    return f"{_clock(fact['at'])}  {fact['tag']:<28}  {value:>16}  {quality}"


def _window(fact: Facts) -> str:
    last = "  ".join(f"{tag}={_number(value)}" for tag, value in fact["last"].items())
    size = f"{fact['rows']} rows, {fact['coverage']:.0%} observed"
    return f"{_clock(fact['at'])}  {fact['detector']}  {size}  {last}"


def _score(fact: Facts) -> str:
    if fact["blind"]:
        text = f"no score: {fact['blind']}"
    else:
        pairs = [(n, v, fact["thresholds"][n]) for n, v in fact["values"].items()]
        # A detector with many alarms shows only those over their threshold.
        shown = [p for p in pairs if len(pairs) <= FEW or p[0] in fact["beyond"]]
        text = "  ".join(f"{n} {_number(v)} of {_number(t)}" for n, v, t in shown) or "nothing over"
    return f"{_clock(fact['at'])}  {fact['detector']}  {text}"


def _alert(fact: Facts) -> str:
    name = f"{fact['detector']}.{fact['alarm']}"
    words = (_clock(fact["at"]), fact["severity"], name, fact["state"], fact["message"])
    return "  ".join(words)


_SHOWN: Mapping[str, Callable[[Facts], str]] = {
    "samples": _sample,
    "windows": _window,
    "scores": _score,
    "alerts": _alert,
}


@click.command("tap")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("topic", type=click.Choice(tuple(_SHOWN)))
@click.argument("glob", default="*")
@click.option("--once", is_flag=True, help="Only the next ones, then end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row.")
def command(file: Path, topic: str, glob: str, *, once: bool, as_json: bool) -> None:
    """Show live data of FILE's running daemon, until Ctrl-C.

    GLOB selects tags of samples (quote it: 'press-*.oil'), detectors of windows and scores, and
    DETECTOR.ALARM of alerts. The line never waits for a slow terminal: rows that do not fit are
    left out and counted. Exit code 1 if no daemon answers, if GLOB matches nothing, or if with
    --once the daemon ends before anything came.
    """
    as_text = _SHOWN[topic]
    show = _as_json if as_json else lambda fact: as_text(shown(fact))
    try:
        end = asyncio.run(_tap(file, f"/tap/{topic}", glob, show, once=once))
    except KeyboardInterrupt:
        return
    if end is _End.NO_DAEMON:
        click.echo(f"no daemon answers: is `andon run {file}` running?", err=True)
    elif end is _End.CUT:
        click.echo("the daemon has ended, or the connection to it", err=True)
    sys.exit(1 if end is _End.NO_DAEMON or (end is _End.CUT and once) else 0)


class _End(Enum):
    """What ended it."""

    NO_DAEMON = auto()
    CUT = auto()
    ENOUGH = auto()


async def _tap(
    file: Path, path: str, glob: str, show: Callable[[Facts], str], *, once: bool
) -> _End:
    """Prints the facts of a topic as they come."""
    from gateway.config.load import load
    from gateway.config.state import state_folders
    from gateway.control.client import subscribe
    from gateway.control.server import SOCKET

    answered = False
    config = load(file)
    for folder in state_folders(config):
        async for facts in subscribe(folder / SOCKET, path, {"glob": glob}):
            if not answered:
                click.echo(f"listening to {config.line}; Ctrl-C ends it", err=True)
            answered = True
            with understood():
                if _print(facts, show) and once:
                    return _End.ENOUGH
        if answered:
            return _End.CUT
    return _End.NO_DAEMON


def _print(facts: Sequence[Facts], show: Callable[[Facts], str]) -> bool:
    """Whether there was anything but the number of rows left out."""
    for fact in facts:
        if "dropped" in fact:
            click.echo(f"({fact['dropped']:,} left out: too slow to show)", err=True)
        else:
            click.echo(show(fact))
    return any("dropped" not in fact for fact in facts)
