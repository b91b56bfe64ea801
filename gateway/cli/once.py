"""`andon once LINE.yaml`: reads and scores once and prints it; sends and stores nothing."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from gateway.api.options import format_duration
from gateway.api.visible import shown


@click.command("once")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds to wait for the sources.")
def command(file: Path, as_json: bool, timeout: float) -> None:
    """Read the sources of FILE once, score once, and print it.

    Nothing is sent and nothing is stored. Exit code 1 if a tag has no good value.
    """
    from gateway.api import event_loop
    from gateway.api.json_values import finite
    from gateway.config.load import load
    from gateway.telemetry import logs

    config = load(file)
    logs.configure(config.line)
    facts = finite(event_loop.run(_once(config, timeout)))
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _show(shown(facts))
    sys.exit(0 if all(tag["value"] is not None for tag in facts["tags"]) else 1)


async def _once(config: Any, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109 - of the reading
    from gateway.config.build import build_connectors, build_detectors
    from gateway.core.alarms.words import Words
    from gateway.line.once import read_once, score_once

    detectors = build_detectors(config)
    words = Words(config.line, {tag.name: tag for tag in config.tags}, config.texts)
    started = time.monotonic()
    reading = await read_once(config.tags, build_connectors(config), timeout)
    return {
        "line": config.line,
        "seconds": round(time.monotonic() - started, 3),
        "tags": reading.facts(),
        "errors": reading.errors,
        "detectors": [
            score_once(name, detector, reading, words) for name, detector in detectors.items()
        ],
    }


def _show(facts: dict[str, Any]) -> None:
    from rich.console import Console

    from gateway.cli.pieces import plain_table, word
    from gateway.cli.show_sources import reading

    console = Console(markup=False, emoji=False)
    table = plain_table("tag", "value", "unit", "quality", "source")
    for tag in facts["tags"]:
        value = reading(tag, digits=6)
        quality = "nothing came" if tag["quality"] == "never_seen" else word(tag["quality"])
        table.add_row(tag["tag"], value, tag["unit"], quality, tag["source"])
    console.print(table)
    for source, why in facts["errors"].items():
        console.print(f"{source}: {why}", style="bold yellow")
    for detector in facts["detectors"]:
        for row in _verdict(detector):
            console.print(f"{detector['name']}: {row}")


def _verdict(detector: dict[str, Any]) -> list[str]:
    """What a detector says of the one reading, in rows."""
    if detector["blind"]:
        return [f"cannot judge: {detector['blind']}"]
    if detector["idle"]:
        return [f"idle: {detector['idle']}"]
    held = detector["held_ns"]
    after = f", if these values stood for {format_duration(held)}" if held else ""
    over = [f"ALARM: {said}{after}" for said in detector["says"]]
    return over or [f"nothing over its threshold{after}"]
