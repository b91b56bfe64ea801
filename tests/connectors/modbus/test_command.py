import asyncio
import json
import struct
import threading
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from patience import PATIENCE
from servers import free_port

from connectors.modbus.command import peek
from connectors.modbus.interpretations import ORDERS, WIDE, interpretations


@contextmanager
def served(serve, registers):
    """A real pymodbus server in a thread: the command runs a loop of its own."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    block = SimData(0, values=registers, datatype=DataType.REGISTERS)
    bits = SimData(0, values=[True, False] * 8, datatype=DataType.BITS)
    ready, box = threading.Event(), {}

    async def run():
        box["stop"], box["loop"] = asyncio.Event(), asyncio.get_running_loop()
        async with serve(SimDevice(1, simdata=([bits], [bits], [block], [block]))) as plc:
            box["plc"] = plc
            ready.set()
            await box["stop"].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield box["plc"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(PATIENCE)


def swapped(value):
    """A float32 with the less significant register first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def test_a_value_is_shown_in_the_column_of_its_order_and_only_reads_are_sent(serve):
    with served(serve, [7, *swapped(230.5), 0xFFFF]) as plc:
        where = f"127.0.0.1:{plc.port}"
        shown = CliRunner().invoke(peek, [where, "--count", "4"])
        as_json = CliRunner().invoke(peek, [where, "--count", "4", "--json", "--wide"])
    assert shown.exit_code == 0, shown.output
    assert "little/big" in shown.output
    assert "230.5" in shown.output
    values = {
        (row["address"], row["data_type"]): row["values"]
        for row in json.loads(as_json.output)["guesses"]
    }
    assert values[1, "float32"]["little/big"] == 230.5
    assert values[3, "int16"]["big/big"] == -1
    assert (0, "float64") in values
    assert (3, "float32") not in values
    assert json.loads(as_json.output)["text"] == {"big": "....Cf..", "little": "....fC.."}
    assert "As text, byte_order big: ....Cf.." in shown.output
    assert {function for function, _, _ in plc.asked} == {3}


EXTREME = [1.5e30, -1.2345e-38, 3.4e38, -3.4e38, 1.4e-45, 16777217.0, 0.1, -0.0, 1e9, 123456.789]


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_no_number_is_cut_off_however_narrow_the_terminal_is(serve, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    registers = [word for value in EXTREME for word in reversed(swapped(value))]
    registers += struct.unpack(">8H", struct.pack(">dQ", -1.234567e-300, 2**64 - 1))
    with served(serve, registers) as plc:
        where = [f"127.0.0.1:{plc.port}", "--count", str(len(registers)), "--wide"]
        shown = CliRunner().invoke(peek, where).output
    assert "…" not in shown
    rows = shown.split()
    for value in EXTREME:
        single = struct.unpack(">f", struct.pack(">f", value))[0]
        wanted = f"{single:.0f}" if single == int(single) and abs(single) < 1e9 else f"{single:.6g}"
        assert wanted in rows
    assert "1.5e+30" in rows
    assert "-1.23457e-300" in rows
    assert "18446744073709551616" in rows
    grid = [row for row in shown.splitlines() if "float32" in row]
    assert max(map(len, map(str.rstrip, grid))) <= 80


def test_bits_are_shown_as_bits(serve):
    with served(serve, [0]) as plc:
        where = f"127.0.0.1:{plc.port}"
        as_json = CliRunner().invoke(peek, [where, "--table", "coil", "--count", "4", "--json"])
        shown = CliRunner().invoke(peek, [where, "--table", "coil", "--count", "4"])
    assert json.loads(as_json.output)["bits"] == [1, 0, 1, 0]
    assert shown.exit_code == 0


def test_a_missing_device_and_a_refusal_are_readable_errors(serve):
    gone = CliRunner().invoke(peek, [f"127.0.0.1:{free_port()}"])
    assert (gone.exit_code, "connection refused" in gone.output) == (1, True)
    with served(serve, [0]) as plc:
        refused = CliRunner().invoke(peek, [f"127.0.0.1:{plc.port}", "--address", "900"])
    assert (refused.exit_code, "illegal data address" in refused.output) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--count", "0"],
        ["--count", "126"],
        ["--address", "65535", "--count", "2"],
        ["--timeout", "5"],
        ["--unit", "300"],
        ["--transport", "tcp", "--ca", "ca.pem"],
        ["--transport", "rtu_over_tcp", "--unit", "0"],
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(wrong):
    assert CliRunner().invoke(peek, ["127.0.0.1:1", *wrong]).exit_code == 2


def test_every_order_of_a_number_is_shown_once():
    value = struct.pack(">f", 1.5)
    words = {
        ("big", "big"): value,
        ("little", "big"): value[2:] + value[:2],
        ("big", "little"): bytes((value[1], value[0], value[3], value[2])),
        ("little", "little"): value[::-1],
    }
    for order, data in words.items():
        (shown,) = (row for row in interpretations(data, 0, WIDE) if row.data_type == "float32")
        assert shown.values[ORDERS.index(order)] == 1.5
