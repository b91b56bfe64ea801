"""`andon peek`: shows a few registers in all types and orders side by side.

Promises
- Sends one read with function code 1 to 4, then closes the connection.
- Exit code 0 when something was read, 1 when not, 2 for wrong arguments.
- `--json` prints one object and nothing else.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from connectors.modbus.bus import Bus
from connectors.modbus.device_arguments import (
    connection_settings,
    device_arguments,
    validated,
)
from connectors.modbus.interpretations import (
    NARROW,
    ORDERS,
    WIDE,
    WIDEST,
    Interpretation,
    interpretations,
)
from connectors.modbus.options import BIT_TABLES, ModbusOptions, Table
from connectors.modbus.plan import Request
from connectors.modbus.registers import DataType
from connectors.modbus.responses import check_response
from gateway.api import event_loop
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND


@click.command()
@device_arguments
@click.option("--address", default=0, show_default=True, help="First register, counted from 0.")
@click.option("--count", default=8, show_default=True, help="Number of registers or bits.")
@click.option("--table", type=click.Choice(get_args(Table)), default="holding", show_default=True)
@click.option("--unit", default=1, show_default=True, help="Unit (slave) id.")
@click.option("--timeout", default="1s", show_default=True, help="How long to wait for a response.")
@click.option("--wide", is_flag=True, help="Also 64-bit, BCD and mod10 types.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def peek(
    host: str, *, address: int, count: int, wide: bool, as_json: bool, **arguments: Any
) -> None:
    """Read registers of a Modbus device, and show all types.

    HOST is a name or address, DEVICE a serial port such as /dev/ttyUSB0. Pick the column in which
    the numbers make sense: its heading is what to write in the line file. Nothing is ever written
    to the device.
    """
    options = _options(host, address, **arguments)
    request = Request(options.unit_id, options.tags["peek"].table, address, count, SECOND, ())
    _check_size(request)
    try:
        data = event_loop.run(_read(options, request))
    except SourceLost as lost:
        raise click.ClickException(str(lost)) from lost
    if as_json:
        click.echo(json.dumps(_plain(request, data, wide=wide), indent=2))
    else:
        _show(request, data, wide=wide)


async def _read(options: ModbusOptions, request: Request) -> bytes:
    async with Bus(options, Path.cwd()).joined() as bus:
        checked = check_response(request, await bus.read(request))
    if checked.fault:
        raise SourceLost(f"{options.where}: {request}: {checked.fault}")
    return checked.data


def _options(host: str, address: int, **arguments: Any) -> ModbusOptions:
    """The options of a line file, so that the same rules apply."""
    given = {"type": "modbus", "unit_id": arguments["unit"], "timeout": arguments["timeout"]}
    given["tags"] = {"peek": {"address": address, "table": arguments["table"]}}
    return validated(ModbusOptions, given | connection_settings(host, arguments))


def _check_size(request: Request) -> None:
    most = 2000 if request.are_bits else 125
    if not 1 <= request.count <= most or request.address + request.count > 65536:
        raise click.UsageError(f"--count must be 1 to {most} and end at address 65535")


def _show(request: Request, data: bytes, *, wide: bool) -> None:
    console = Console(
        markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else 110
    )
    if request.are_bits:
        _print_whole(console, _bit_grid(request, data))
        return
    _print_whole(console, _raw_grid(request, data))
    for grid in _order_grids(request, data, wide=wide):
        _print_whole(console, grid)
    for order, text in _texts(data).items():
        console.print(f"As text, byte_order {order}: {text}", markup=False)
    console.print("Orders as in the line file: word_order/byte_order. big/big is the default.")


def _print_whole(console: Console, grid: Grid) -> None:
    """Prints a grid with no number cut off: on a narrow terminal its rows are wrapped instead."""
    needed = Console(markup=False, emoji=False, width=1000).measure(grid).maximum
    width, console.width = console.width, max(console.width, needed)
    console.print(grid, soft_wrap=False)
    console.width = width


def _grid(*heads: str, title: str | None = None) -> Grid:
    return Grid(*heads, title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)


def _bit_grid(request: Request, data: bytes) -> Grid:
    grid = _grid(str(request).capitalize(), "value")
    for at, bit in enumerate(_bits(request, data)):
        grid.add_row(str(request.address + at), str(bit))
    return grid


def _raw_grid(request: Request, data: bytes) -> Grid:
    grid = _grid("address", "hex", "bits 15..0", *NARROW, title=str(request))
    for at in range(0, len(data), 2):
        word = int.from_bytes(data[at : at + 2], "big")
        narrow = interpretations(data[at : at + 2], request.address + at // 2, NARROW)
        numbers = [_number(each.values[0], each.data_type) for each in narrow]
        grid.add_row(str(request.address + at // 2), f"{word:04X}", f"{word:016b}", *numbers)
    return grid


def _order_grids(request: Request, data: bytes, *, wide: bool) -> list[Grid]:
    heads = [f"{word}/{byte}" for word, byte in ORDERS]
    grids = []
    for types in (WIDE, WIDEST) if wide else (WIDE,):
        rows = interpretations(data, request.address, types)
        if not rows:
            continue
        grid = _grid("address", "data_type", *heads)
        for row in rows:
            is_last = row.data_type == types[-1]
            numbers = [_number(value, row.data_type) for value in row.values]
            grid.add_row(str(row.address), row.data_type, *numbers, end_section=is_last)
        grids.append(grid)
    return grids


def _texts(data: bytes) -> dict[str, str]:
    """The text by byte order; a dot for each character that cannot be printed."""
    swapped = bytes(data[at ^ 1] for at in range(len(data)))
    return {order: _printable(raw) for order, raw in (("big", data), ("little", swapped))}


def _printable(raw: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw)


def _number(value: float | None, data_type: DataType) -> str:
    """Whole numbers in full, those of floats only while that is short; others with six digits."""
    if value is None:
        return "-"
    is_short = abs(value) < 1e9 or not data_type.startswith("float")
    return f"{value:.0f}" if value.is_integer() and is_short else f"{value:.6g}"


def _bits(request: Request, data: bytes) -> list[int]:
    return [data[at // 8] >> at % 8 & 1 for at in range(request.count)]


def _plain(request: Request, data: bytes, *, wide: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"read": str(request), "hex": data.hex()}
    if request.table in BIT_TABLES:
        return plain | {"bits": _bits(request, data)}
    types = (*NARROW, *WIDE, *(WIDEST if wide else ()))
    plain["text"] = _texts(data)
    rows = [_row(each) for each in interpretations(data, request.address, types)]
    return plain | {"guesses": rows}


def _row(shown: Interpretation) -> dict[str, Any]:
    values: Sequence[float | None] = shown.values
    orders = {f"{w}/{b}": value for (w, b), value in zip(ORDERS, values, strict=True)}
    return {"address": shown.address, "data_type": shown.data_type, "values": orders}
