"""`andon demo`: all of andon on a simulated plant, without hardware or a cloud."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.api.click_types import DURATION
from gateway.api.model import SECOND, Nanos
from gateway.api.wording import number
from gateway.demo.scenario import Facts, Result, Scenario, forwarded_bytes, run

FAULTS = (
    "bearing_wear",
    "cavitation",
    "sticking_valve",
    "drifting_sensor",
    "frozen_sensor",
    "plc_gone",
)


@click.command("demo")
@click.option("--fault", type=click.Choice(FAULTS), default=FAULTS[0], show_default=True)
@click.option(
    "--for",
    "length",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long the line runs.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the simulated plant.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON at the end.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep recording, model, line file, log and buffer in this folder.",
)
def command(fault: str, length: Nanos, seed: int, as_json: bool, keep: Path | None) -> None:
    """Run andon on a simulated plant, inject a fault, and watch.

    Trains a model on the plant first. Exit code 0 if the fault raised an alert and nothing was
    raised before it, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="andon-demo-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        scenario = Scenario(fault, length / SECOND, seed, folder.absolute())
        try:
            result = asyncio.run(_run(scenario, as_json))
        except asyncio.CancelledError:
            raise click.Abort from None
    _report(result, as_json)
    sys.exit(0 if result.ended_well else 1)


async def _run(scenario: Scenario, as_json: bool) -> Result:
    # On a signal the plant and the daemon are ended first.
    for each in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, _cancel, asyncio.current_task())

    def report(text: str) -> None:
        click.echo(text, err=as_json)

    if sys.stdout.isatty() and not as_json:
        return await _on_a_terminal(scenario)
    return await run(scenario, report, _plain(report))


def _cancel(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()


async def _on_a_terminal(scenario: Scenario) -> Result:
    from rich.live import Live

    from gateway.cli.show import page

    with Live(auto_refresh=False, screen=False) as live:

        def show(facts: Facts, onset: int) -> None:
            title = f"andon demo – {scenario.fault}" + (" has begun" if onset else " is to come")
            live.update(page(facts, title, _saving_so_far(facts)), refresh=True)

        return await run(scenario, lambda text: live.console.print(text, style="dim"), show)


def _plain(report: Callable[[str], None]) -> Callable[[Facts, int], None]:
    """Shows a row of text every few seconds, and one for each alert."""
    seen: set[tuple[str, bool]] = set()
    count = 0

    def show(facts: Facts, onset: int) -> None:
        nonlocal count
        for alert in facts["alerts"]:
            key = (alert["id"], alert["active"])
            if key not in seen:
                seen.add(key)
                verb = "ALARM" if alert["active"] else "over"
                after = f", {(alert['at'] - onset) / 1e9:.1f} s after the fault" if onset else ""
                report(f"{verb}: {alert['message']}{after}")
        if count % 10 == 0:
            report(_progress(facts))
        count += 1

    return show


def _progress(facts: Facts) -> str:
    scores = "  ".join(
        f"{d['name']} {number(d['score'], 3)}/{number(d['threshold'], 3)}"
        for d in facts["detectors"]
        if d["score"] is not None and d["threshold"] is not None
    )
    return (
        f"gateway {facts['health']:8} {facts['counters']['values_read']:6,} values "
        f"{facts['counters']['windows_scored']:4,} windows  {scores or 'no score yet'}"
    )


def saving(read: int, raw: int, forwarded: int) -> str:
    """The bytes read, the bytes of raw forwarding, and the bytes that the demo's sink took."""
    share = f"{forwarded / raw:.1%}, ".replace("%", " %") if raw else ""
    return (
        f"{read:,} B read from the plant; raw forwarding would send {raw:,} B, "
        f"andon wrote {forwarded:,} B to its sink, a file ({share}neither compressed)"
    )


def _saving_so_far(facts: Facts) -> str:
    return saving(facts["bytes"]["read"], facts["bytes"]["raw"], forwarded_bytes(facts))


def _report(result: Result, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.facts()))
        return
    after = result.first_alert_s_after_fault
    verdict = "no alert was raised" if after is None else f"first alert {after:g} s after it began"
    click.echo(
        f"\n{result.fault}: {verdict}"
        + (f", caused by {', '.join(result.top_tags)}" if result.top_tags else "")
        + f"\n{result.alerts_before_fault} alerts before the fault, "
        f"{result.alerts_after_fault} after it\n"
        + saving(result.bytes_read, result.raw_bytes, result.forwarded_bytes)
    )
