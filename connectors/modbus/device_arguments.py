"""The address of a device on the command line: the same names and rules as in a line file."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import click
from pydantic import BaseModel, ValidationError

from connectors.modbus.connection import Parity, Transport
from connectors.modbus.tolerance import Deviation
from gateway.api.mistakes import sentences

_Model = TypeVar("_Model", bound=BaseModel)
_Command = TypeVar("_Command", bound=Callable[..., Any])

_ARGUMENTS = (
    click.argument("host", metavar="HOST[:PORT]|DEVICE"),
    click.option(
        "--transport",
        type=click.Choice(get_args(Transport)),
        help="Default: rtu for a path, else tcp.",
    ),
    click.option("--baudrate", default=19200, show_default=True, help="Of a serial port."),
    click.option(
        "--parity", type=click.Choice(get_args(Parity)), default="even", show_default=True
    ),
    click.option("--stopbits", type=click.IntRange(1, 2), default=1, show_default=True),
    click.option(
        "--tolerate",
        multiple=True,
        type=click.Choice(get_args(Deviation)),
        help="What to accept; may be repeated.",
    ),
    click.option("--ca", help="For tls: a file with the certificates that may sign the device's."),
)


def device_arguments(command: _Command) -> _Command:
    """Adds the argument and options that address a device."""
    for argument in reversed(_ARGUMENTS):
        command = argument(command)
    return command


def connection_settings(host: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as in a line file; `host` is a name, name:port, or a serial port's path."""
    tolerate = {"tolerate": list(arguments["tolerate"])} if arguments["tolerate"] else {}
    transport = arguments["transport"] or ("rtu" if host.startswith("/") else "tcp")
    if transport == "rtu":
        serial = {name: arguments[name] for name in ("baudrate", "parity", "stopbits")}
        return {"transport": transport, "device": host, **serial, **tolerate}
    name, colon, port = host.rpartition(":")
    address = {"host": name, "port": int(port)} if colon and port.isdigit() else {"host": host}
    ca = {"ca": arguments["ca"]} if arguments["ca"] else {}
    return {"transport": transport, **address, **ca, **tolerate}


def validated(model: type[_Model], settings: Mapping[str, Any]) -> _Model:
    """The options, or a UsageError that names the setting that is wrong."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise click.UsageError("; ".join(sentences(error))) from error
