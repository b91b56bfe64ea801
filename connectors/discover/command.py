"""`andon discover`: writes the contents of a source as a line file to edit.

Promises
- Read-only, within the given limits.
- `andon check` accepts the file unchanged.
"""

import sys
from pathlib import Path
from typing import Any

import click

from connectors.discover.access import access_options, create_missing, parsed, source_settings
from connectors.modbus.device_arguments import connection_settings, device_arguments, validated
from gateway.api import event_loop
from gateway.api.click_types import DURATION
from gateway.api.contracts import AndonError, Places
from gateway.api.model import SECOND, Nanos
from gateway.api.options import format_duration
from gateway.api.progress import steps
from gateway.api.visible import LINES, visible


def _can_be_written(_context: Any, _parameter: Any, out: Path | None) -> Path | None:
    """Refuses a file that could not be written, before the source is searched for minutes."""
    if out is not None and out.exists():
        raise click.ClickException(f"{out} exists and is not overwritten: choose another name")
    if out is not None and not out.absolute().parent.is_dir():
        raise click.ClickException(f"{out}: there is no folder {out.parent}")
    return out


OUT = click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_can_be_written,
    help="Write to this file instead of stdout; an existing file is not overwritten.",
)


@click.group()
def discover() -> None:
    """Find the data that a source offers and write a line file."""


@discover.command()
@click.argument("url")
@click.option("--depth", default=8, show_default=True, help="Levels below the Objects folder.")
@click.option("--most", default=500, show_default=True, help="Most variables to write.")
@click.option("--timeout", default=10, show_default=True, help="Seconds for each response.")
@access_options
@click.option(
    "--fetch-certificate",
    "fetched",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only store the server's certificate in this file, and describe it.",
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

    Connects anonymously and without security unless options are given. Writes nothing to the
    server. Exit code 1 when the server cannot be reached or has no such variable.
    """
    from connectors.discover.opcua import browse, fetch_certificate
    from connectors.discover.opcua_file import line_file

    folder = out.parent if out else Path()
    settings = source_settings(url, timeout, access, folder)
    try:
        options = parsed(settings)
        if fetched is not None:
            click.echo(visible(event_loop.run(fetch_certificate(options, fetched)), LINES))
            return
        create_missing(access)
        with steps() as progress:
            survey = event_loop.run(browse(options, Places(folder, Path()), depth, most, progress))
    except AndonError as error:
        raise click.ClickException(str(error)) from error
    for path, why in survey.others if not survey.tags else ():
        click.echo(visible(f"{path}: {why}"), err=True)
    if not survey.tags:
        raise click.ClickException(
            f"{url} has no numeric variable within {depth} levels, of {survey.nodes:,} nodes"
        )
    if survey.note:
        click.echo(visible(survey.note, LINES), err=True)
    _write(line_file(settings, survey), out)


@discover.command()
@device_arguments
@click.option("--units", default="1-32", show_default=True, help="Unit ids to try, as in 1-20,255.")
@click.option("--requests", default=2000, show_default=True, help="Most requests to send.")
@click.option("--most", default=200, show_default=True, help="Most tags to write.")
@click.option("--timeout", default="300ms", show_default=True, help="For each response.")
@click.option(
    "--pause", default="20ms", show_default=True, help="Between a response and the next request."
)
@OUT
def modbus(
    host: str, *, units: str, requests: int, most: int, out: Path | None, **arguments: Any
) -> None:
    """Scan a Modbus device and write the addresses that respond as tags.

    HOST is a name or address, DEVICE a serial port such as /dev/ttyUSB0. Sends only reads, one at
    a time with a pause. Interrupt it with ctrl-C: the results until then are written. Exit code 1
    when no address responds.
    """
    from connectors.discover.modbus import run_scan, units_of
    from connectors.discover.modbus_file import line_file
    from connectors.modbus.connection import ModbusConnectionOptions

    connection = connection_settings(host, arguments)
    timing = {"timeout": arguments["timeout"], "pause": arguments["pause"]}
    options = validated(ModbusConnectionOptions, connection | timing)
    try:
        wanted = units_of(units, options.transport)
    except ValueError as error:
        raise click.UsageError(f"--units: {error}") from error
    scan = run_scan(options, wanted, requests)
    click.echo(f"{scan.requests:,} requests sent. {scan.note}".rstrip(), err=True)
    if scan.oddity:
        click.echo(visible(f"What came is not always a valid response: {scan.oddity}"), err=True)
    if not scan.has_responses:
        responding = ", ".join(str(unit.unit) for unit in scan.units) or "none"
        raise click.ClickException(f"no address responds; units that do: {responding}")
    _write(line_file(connection, scan, most), out)


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
    help="A topic filter, as in plant/#; may be given several times.",
)
@click.option("--most", default=500, show_default=True, help="Most tags to write.")
@click.option("--username", help="The user to log in as.")
@click.option("--password", help="A reference: ${env:NAME} or ${file:/path}.")
@click.option(
    "--ca",
    help="A file with the certificates that may sign the broker's. "
    "Default with mqtts://: the system's.",
)
@OUT
def mqtt(
    url: str, *, length: Nanos, filters: tuple[str, ...], most: int, out: Path | None, **login: Any
) -> None:
    """Listen to an MQTT broker and write numbers in messages as tags.

    URL is mqtt://HOST, mqtts://HOST, ws://HOST/PATH, wss://HOST/PATH or only HOST. Lists topics,
    payloads, paths in JSON and Sparkplug metrics on stderr. Subscribes and publishes nothing.
    Interrupt it with ctrl-C: the results until then are written. Exit code 1 when no number was
    received.
    """
    from connectors.discover.mqtt import parsed, source_settings, survey_broker
    from connectors.discover.mqtt_file import line_file, listing

    folder = out.parent if out else Path()
    try:
        settings = source_settings(url, login, folder)
        options = parsed(settings)
        survey, note = survey_broker(options, folder, list(filters), length / SECOND, most)
    except AndonError as error:
        raise click.ClickException(str(error)) from error
    for row in [*listing(survey), *([note] if note else [])]:
        click.echo(visible(row, LINES), err=True)
    if not survey.numbers:
        raise click.ClickException(f"no number was received within {format_duration(length)}")
    _write(line_file(settings, survey, most), out)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        # A file that is written from here holds what the device said, a terminal does not.
        click.echo(visible(text, LINES) if sys.stdout.isatty() else text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as stream:
            print(text, end="", file=stream)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror}") from error
    click.echo(f"wrote {out}: edit it, then run: andon check {out}", err=True)
