"""Where a device is, as a command is told it: the same words and rules as in a line file."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import click
from pydantic import BaseModel, ValidationError

from connectors.modbus.connection import Parity, Transport

_Model = TypeVar("_Model", bound=BaseModel)
_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("host", metavar="HOST[:PORT]|DEVICE"),
    click.option(
        "--transport", type=click.Choice(get_args(Transport)), help="tcp, or rtu for a path."
    ),
    click.option("--baudrate", default=19200, show_default=True, help="Of a serial port."),
    click.option(
        "--parity", type=click.Choice(get_args(Parity)), default="even", show_default=True
    ),
    click.option("--stopbits", type=click.IntRange(1, 2), default=1, show_default=True),
    click.option("--ca", help="For tls: a file with the certificates that may sign the device's."),
)


def place_options(command: _Command) -> _Command:
    """Adds what says where a device is."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def place(host: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a line file would say: `host` is a name, a name and a port, or a serial port's path."""
    transport = said["transport"] or ("rtu" if host.startswith("/") else "tcp")
    if transport == "rtu":
        serial = {name: said[name] for name in ("baudrate", "parity", "stopbits")}
        return {"transport": transport, "device": host, **serial}
    name, colon, port = host.rpartition(":")
    there = {"host": name, "port": int(port)} if colon and port.isdigit() else {"host": host}
    return {"transport": transport, **there} | ({"ca": said["ca"]} if said["ca"] else {})


def checked(model: type[_Model], given: Mapping[str, Any]) -> _Model:
    """The options, or a UsageError that says what is wrong with them."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise click.UsageError(f"{where}: {first['msg']}") from error
