"""`andon peek`: a few registers in all types and orders side by side; only ever reads.

Promises
- One read with function code 1 to 4, then the connection is closed.
- Exit code 0 when something was read, 1 when not, 2 when called wrongly.
- `--json` prints one object and nothing else.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table as Grid

from connectors.modbus.answers import judge
from connectors.modbus.bus import Bus
from connectors.modbus.guesses import NARROW, ORDERS, WIDE, WIDEST, Guess, guesses
from connectors.modbus.options import BIT_TABLES, ModbusOptions, Table
from connectors.modbus.place import checked, place, place_options
from connectors.modbus.plan import Request
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND


@click.command()
@place_options
@click.option("--address", default=0, show_default=True, help="First register, counted from 0.")
@click.option("--count", default=8, show_default=True, help="How many registers or bits.")
@click.option("--table", type=click.Choice(get_args(Table)), default="holding", show_default=True)
@click.option("--unit", default=1, show_default=True, help="Unit (slave) id.")
@click.option("--timeout", default="1s", show_default=True, help="How long to wait.")
@click.option("--wide", is_flag=True, help="Types of 64 bits as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def peek(host: str, *, address: int, count: int, wide: bool, as_json: bool, **said: Any) -> None:
    """Read registers of a Modbus device and show them in all types.

    HOST is a name or address, DEVICE a serial port such as /dev/ttyUSB0. Pick the column in which
    the numbers make sense: its head is what the line file has to say. Nothing is ever written.
    """
    options = _options(host, address, **said)
    request = Request(options.unit_id, options.tags["peek"].table, address, count, SECOND, ())
    _check_size(request)
    try:
        data = asyncio.run(_read(options, request))
    except SourceLost as lost:
        raise click.ClickException(str(lost)) from lost
    if as_json:
        click.echo(json.dumps(_plain(request, data, wide=wide), indent=2))
    else:
        _show(request, data, wide=wide)


async def _read(options: ModbusOptions, request: Request) -> bytes:
    async with Bus(options, Path.cwd()).joined() as bus:
        verdict = judge(request, (await bus.read(request)).pdu)
    if verdict.fault:
        raise SourceLost(f"{options.where}: {request}: {verdict.fault}")
    return verdict.data


def _options(host: str, address: int, **said: Any) -> ModbusOptions:
    """The same options that a line file has, so that they are checked by the same rules."""
    given = {"type": "modbus", "unit_id": said["unit"], "timeout": said["timeout"]}
    given["tags"] = {"peek": {"address": address, "table": said["table"]}}
    return checked(ModbusOptions, given | place(host, said))


def _check_size(request: Request) -> None:
    most = 2000 if request.are_bits else 125
    if not 1 <= request.count <= most or request.address + request.count > 65536:
        raise click.UsageError(f"--count must be 1 to {most} and end at address 65535")


def _show(request: Request, data: bytes, *, wide: bool) -> None:
    # On a pipe there is no width to fit: no number may be cut off.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    if request.are_bits:
        console.print(_bit_grid(request, data))
        return
    console.print(_raw_grid(request, data))
    for grid in _order_grids(request, data, wide=wide):
        console.print(grid)
    for order, text in _texts(data).items():
        console.print(f"As text, byte_order {order}: {text}", markup=False)
    console.print(
        "Orders as the line file has them: word_order/byte_order. big/big is the default."
    )


def _bit_grid(request: Request, data: bytes) -> Grid:
    grid = Grid(str(request).capitalize(), "value", title_justify="left")
    for at, bit in enumerate(_bits(request, data)):
        grid.add_row(str(request.address + at), str(bit))
    return grid


def _raw_grid(request: Request, data: bytes) -> Grid:
    grid = Grid("address", "hex", "bits 15..0", *NARROW, title=str(request), title_justify="left")
    for at in range(0, len(data), 2):
        word = int.from_bytes(data[at : at + 2], "big")
        found = guesses(data[at : at + 2], request.address + at // 2, NARROW)
        numbers = [_number(guess.values[0]) for guess in found]
        grid.add_row(str(request.address + at // 2), f"{word:04X}", f"{word:016b}", *numbers)
    return grid


def _order_grids(request: Request, data: bytes, *, wide: bool) -> list[Grid]:
    heads = [f"{word}/{byte}" for word, byte in ORDERS]
    grids = []
    for types in (WIDE, WIDEST) if wide else (WIDE,):
        found = guesses(data, request.address, types)
        if not found:
            continue
        grid = Grid("address", "data_type", *heads)
        for guess in found:
            is_last = guess.data_type == types[-1]
            numbers = [_number(value) for value in guess.values]
            grid.add_row(str(guess.address), guess.data_type, *numbers, end_section=is_last)
        grids.append(grid)
    return grids


def _texts(data: bytes) -> dict[str, str]:
    """By byte order; a dot where there is no printable character."""
    swapped = bytes(data[at ^ 1] for at in range(len(data)))
    return {order: _printable(raw) for order, raw in (("big", data), ("little", swapped))}


def _printable(raw: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.17g}" if value.is_integer() else f"{value:.6g}"


def _bits(request: Request, data: bytes) -> list[int]:
    return [data[at // 8] >> at % 8 & 1 for at in range(request.count)]


def _plain(request: Request, data: bytes, *, wide: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"read": str(request), "hex": data.hex()}
    if request.table in BIT_TABLES:
        return plain | {"bits": _bits(request, data)}
    types = (*NARROW, *WIDE, *(WIDEST if wide else ()))
    plain["text"] = _texts(data)
    return plain | {"guesses": [_row(guess) for guess in guesses(data, request.address, types)]}


def _row(guess: Guess) -> dict[str, Any]:
    values: Sequence[float | None] = guess.values
    orders = {f"{w}/{b}": value for (w, b), value in zip(ORDERS, values, strict=True)}
    return {"address": guess.address, "data_type": guess.data_type, "values": orders}
