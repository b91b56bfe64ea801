"""`andon discover`: what a source has, written as a line file to edit.

Promises
- Only ever reads, and within bounds that are given.
- What is written is accepted by `andon check` as it stands.
"""

import asyncio
from pathlib import Path
from typing import Any

import click

from connectors.discover.access import access_options, make_missing, parsed, source
from connectors.modbus.device_arguments import connection_settings, device_arguments, validated
from gateway.api.click_types import DURATION
from gateway.api.contracts import AndonError, Places
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration

OUT = click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this file instead of printing; a file that exists is left alone.",
)


@click.group()
def discover() -> None:
    """Find the data that a source offers and write a line file."""


@discover.command()
@click.argument("url")
@click.option("--depth", default=8, show_default=True, help="Levels below the Objects folder.")
@click.option("--most", default=500, show_default=True, help="Variables to write at most.")
@click.option("--timeout", default=10, show_default=True, help="Seconds for each answer.")
@access_options
@click.option(
    "--fetch-certificate",
    "fetched",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only store the server's certificate in this file, and say whose it is.",
)
@OUT
def opcua(
    url: str,
    depth: int,
    most: int,
    timeout: int,
    fetched: Path | None,
    out: Path | None,
    **access: str | None,
) -> None:
    """Browse an OPC UA server and write its numeric variables as tags.

    Connects without security and anonymously unless told how, reads, and writes nothing to the
    server. Exit code 1 when the server cannot be reached or has no such variable.
    """
    from connectors.discover.opcua import browse, fetch_certificate, line_file

    folder = out.parent if out else Path()
    said = source(url, timeout, access, folder)
    try:
        options = parsed(said)
        if fetched is not None:
            click.echo(asyncio.run(fetch_certificate(options, fetched)))
            return
        make_missing(access)
        found = asyncio.run(browse(options, Places(folder, Path()), depth, most))
    except AndonError as error:
        raise click.ClickException(str(error)) from error
    if not found:
        raise click.ClickException(f"{url} has no numeric variable within {depth} levels")
    _give(line_file(said, found), out)


@discover.command()
@device_arguments
@click.option("--units", default="1-32", show_default=True, help="Unit ids to try, as in 1-20,255.")
@click.option("--requests", default=2000, show_default=True, help="Requests to send at most.")
@click.option("--most", default=200, show_default=True, help="Tags to write at most.")
@click.option("--timeout", default="300ms", show_default=True, help="For each answer.")
@click.option("--pause", default="20ms", show_default=True, help="Between an answer and a request.")
@OUT
def modbus(
    host: str, *, units: str, requests: int, most: int, out: Path | None, **said: Any
) -> None:
    """Scan a Modbus device and write the addresses that answer as tags.

    HOST is a name or address, DEVICE a serial port such as /dev/ttyUSB0. Sends reads only, one
    after the other with a pause. Interrupt it with ctrl-C: what was found until then is written.
    Exit code 1 when no address answers.
    """
    from connectors.discover.modbus import scanned, units_of
    from connectors.discover.modbus_file import line_file
    from connectors.modbus.connection import ModbusConnectionOptions

    there = connection_settings(host, said)
    patience = {"timeout": said["timeout"], "pause": said["pause"]}
    options = validated(ModbusConnectionOptions, there | patience)
    try:
        wanted = units_of(units, options.transport)
    except ValueError as error:
        raise click.UsageError(f"--units: {error}") from error
    scan = scanned(options, wanted, requests)
    click.echo(f"{scan.asked:,} requests sent. {scan.note}".rstrip(), err=True)
    if not scan.has_found:
        there_are = ", ".join(str(unit.unit) for unit in scan.units) or "none"
        raise click.ClickException(f"no address answers; units that do: {there_are}")
    _give(line_file(there, scan, most), out)


@discover.command()
@click.argument("url")
@click.option(
    "--for",
    "length",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How long to listen.",
)
@click.option(
    "--topic",
    "filters",
    multiple=True,
    default=["#"],
    show_default=True,
    help="What to subscribe to, as in plant/#; may be given several times.",
)
@click.option("--most", default=500, show_default=True, help="Tags to write at most.")
@click.option("--username", help="Whom to log in as.")
@click.option("--password", help="Where it is: ${env:NAME} or ${file:/path}.")
@click.option("--ca", help="Who may sign the broker's certificate; the system's, with mqtts://.")
@OUT
def mqtt(
    url: str, *, length: Nanos, filters: tuple[str, ...], most: int, out: Path | None, **login: Any
) -> None:
    """Listen to an MQTT broker and write numbers in messages as tags.

    URL is mqtt://HOST, mqtts://HOST or only HOST. Lists topics, payloads, paths in JSON and metrics
    of Sparkplug on stderr. Subscribes and publishes nothing. Interrupt it with ctrl-C: what was
    heard until then is written. Exit code 1 when no number was heard.
    """
    from connectors.discover.mqtt import listened, parsed, source
    from connectors.discover.mqtt_file import line_file, listing

    folder = out.parent if out else Path()
    try:
        said = source(url, login, folder)
        heard, note = listened(parsed(said), folder, list(filters), length / SECOND, most)
    except AndonError as error:
        raise click.ClickException(str(error)) from error
    for line in [*listing(heard), *([note] if note else [])]:
        click.echo(line, err=True)
    if not heard.places:
        raise click.ClickException(f"no number was heard within {format_duration(length)}")
    _give(line_file(said, heard, most), out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as stream:
            print(text, end="", file=stream)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror}") from error
    click.echo(f"written: {out}; now edit it, then: andon check {out}", err=True)
