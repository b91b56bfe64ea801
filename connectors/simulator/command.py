"""`andon simulate`: runs the plant in real time behind its servers, or records it to a file."""

import asyncio
import contextlib
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from connectors.simulator.faults import FAULTS
from connectors.simulator.pump import EPOCH
from connectors.simulator.skid import Server
from gateway.api.click_types import DURATION, MOMENT
from gateway.api.model import SECOND
from gateway.api.options import format_duration


class _Address(click.ParamType[tuple[str, int]]):
    name = "host:port"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit():
            self.fail(f"{value!r} is not HOST:PORT, such as localhost:1883", param, ctx)
        return host, int(port)


PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--modbus", default=5020, type=PORT, show_default=True, help="Port; 0: a free one.")
@click.option("--opcua", default=4840, type=PORT, show_default=True, help="Port; 0: a free one.")
@click.option("--mqtt", type=_Address(), help="Also publish to this broker.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The servers' address.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same plant.")
@click.option("--fault", type=click.Choice(list(FAULTS)), help="A fault that begins by itself.")
@click.option(
    "--fault-after",
    "--fault-at",
    default="30s",
    type=DURATION,
    show_default=True,
    help="When it begins, after the start.",
)
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object per row.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a .csv or .parquet file instead, as fast as possible.",
)
@click.option(
    "--for", "length", default="2h", type=DURATION, show_default=True, help="How long to record."
)
@click.option(
    "--start",
    default=EPOCH,
    type=MOMENT,
    help="When the recording begins.  [default: 2026-01-01]",
)
@click.option(
    "--sample",
    default="500ms",
    type=DURATION,
    show_default=True,
    help="Time between two recorded rows.",
)
@click.option("--print-config", is_flag=True, help="Print a line file for this plant.")
@click.option("--bundle", default="models/pump", show_default=True, help="The line file's model.")
def simulate(**given: Any) -> None:
    """Simulate a pump skid behind real Modbus and OPC UA servers.

    Type `help` while it runs for its commands: faults, and stopping its servers. Ends on SIGINT
    and SIGTERM. With --record or --print-config no server is started.
    """
    if given["print_config"]:
        _print_config(given)
    elif given["record"]:
        _record(given)
    else:
        asyncio.run(_live(given))


def _print_config(given: dict[str, Any]) -> None:
    from connectors.simulator.configuration import line_file

    ports = given["modbus"], given["opcua"], given["mqtt"]
    click.echo(line_file(*ports, host=given["host"], bundle=given["bundle"]), nl=False)


def _record(given: dict[str, Any]) -> None:
    from connectors.simulator.recording import Recipe, record

    recipe = Recipe(
        given["length"],
        given["seed"],
        given["start"],
        given["sample"],
        given["fault"],
        given["fault_after"],
    )
    path: Path = given["record"]
    count = record(path, recipe, _show_progress if sys.stderr.isatty() else lambda _: None)
    click.echo(f"{path}: {count} rows, every {format_duration(recipe.sample)}", err=True)
    if recipe.fault:
        onset = datetime.fromtimestamp((recipe.start + recipe.fault_after) / SECOND, UTC)
        click.echo(f"{recipe.fault} begins at {onset:%Y-%m-%dT%H:%M:%S.%fZ}", err=True)


def _show_progress(share: float) -> None:
    click.echo(f"\rrecording {share:4.0%}" + ("\n" if share >= 1 else ""), nl=False, err=True)


async def _live(given: dict[str, Any]) -> None:
    """Runs the plant until a signal arrives."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.create_task(_work(given), name="plant")
    ends = asyncio.create_task(stop.wait(), name="signal")
    await asyncio.wait((work, ends), return_when=asyncio.FIRST_COMPLETED)
    ends.cancel()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _work(given: dict[str, Any]) -> None:
    from connectors.simulator.console import make_reporter, operate
    from connectors.simulator.skid import Skid, plant_now

    report = make_reporter(as_json=given["as_json"])
    skid = Skid(plant_now(given["seed"]), _servers(given), report)
    try:
        await skid.start()
        if given["fault"]:
            skid.inject_later(given["fault"], given["fault_after"])
        addresses = {name: server.address for name, server in skid.servers.items()}
        report({"event": "ready", "mqtt": None} | addresses)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(skid.run(), name="plant steps")
            tasks.create_task(operate(skid, report), name="operator")
    finally:
        await skid.stop()


def _servers(given: dict[str, Any]) -> dict[str, Server]:
    from connectors.simulator.modbus_server import ModbusServer
    from connectors.simulator.mqtt_publisher import MqttPublisher
    from connectors.simulator.opcua_server import OpcUaServer

    servers: dict[str, Server] = {
        "modbus": ModbusServer(given["host"], given["modbus"]),
        "opcua": OpcUaServer(given["host"], given["opcua"]),
    }
    if given["mqtt"]:
        servers["mqtt"] = MqttPublisher(*given["mqtt"])
    return servers
