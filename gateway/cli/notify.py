"""`andon notify LINE.yaml test [TARGET]`: sends a test message to the people of a line.

It needs no daemon and touches no buffer: the message leaves from this process.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from gateway.api import event_loop
from gateway.api.contracts import SendsTests
from gateway.api.masking import mask
from gateway.api.model import Probe
from gateway.api.nearest import nearest
from gateway.api.visible import LINES, visible
from gateway.cli.line_group import LineGroup
from gateway.config.build import build_sinks
from gateway.config.load import LineConfig, load


@click.group("notify", cls=LineGroup)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, file: Path) -> None:
    """Try how FILE's line reaches people.

    Exit code 1 if a message could not be sent, or if the file is wrong.
    """
    ctx.obj = file


@command.command("test")
@click.argument("target", required=False, default="")
@click.pass_obj
def send(file: Path, target: str) -> None:
    """Send a test message to TARGET, or to all.

    TARGET is a sink of the line file, a receiver of one, or both as in SINK.RECEIVER.
    """
    config = load(file)
    sinks = {n: s for n, s in build_sinks(config).items() if isinstance(s, SendsTests)}
    if not sinks:
        raise click.ClickException("no sink of this line sends messages: add a `notify` sink")
    wanted = _wanted(config, sinks, target)
    outcomes = event_loop.run(_send(sinks, wanted), answer_within=event_loop.ANSWER_S)
    for name, probe in outcomes.items():
        mark = "ok    " if probe.ok else "FAILED"
        click.echo(visible(f"{mark}  {name:24}  {mask(probe.message)}", LINES))
    sys.exit(0 if all(probe.ok for probe in outcomes.values()) else 1)


def _wanted(
    config: LineConfig, sinks: Mapping[str, SendsTests], target: str
) -> list[tuple[str, str]]:
    """The sinks and receivers that a target names; an empty receiver is all of a sink."""
    if not target:
        return [(name, "") for name in sinks]
    receivers = {name: list(getattr(config.sinks[name], "targets", {})) for name in sinks}
    names = {name: (name, "") for name in sinks}
    for sink, each in receivers.items():
        names |= {f"{sink}.{receiver}": (sink, receiver) for receiver in each}
    plain = [(sink, target) for sink, each in receivers.items() if target in each]
    if target in names:
        return [names[target]]
    if not plain:
        raise click.ClickException(f"no target {target!r}; {nearest(target, list(names))}")
    return plain


async def _send(sinks: Mapping[str, SendsTests], wanted: list[tuple[str, str]]) -> dict[str, Probe]:
    outcomes: dict[str, Probe] = {}
    for name, receiver in wanted:
        for each, probe in (await sinks[name].send_test(receiver)).items():
            outcomes[f"{name}.{each}" if each else name] = probe
    return outcomes
