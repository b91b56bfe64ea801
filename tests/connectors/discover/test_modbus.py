"""Against real servers: readable addresses become a line file that `andon check` accepts."""

import asyncio

import pytest
from click.testing import CliRunner
from modbus_plc import serial_line, serving

from connectors.discover.command import discover
from connectors.discover.modbus import units_of
from gateway.config.load import load

READS = {1, 2, 3, 4, 43}


def device(unit, holding, inputs=((5, [3] * 3),), coils=16):
    from pymodbus.simulator import DataType, SimData, SimDevice

    def registers(blocks):
        return [SimData(at, values=values, datatype=DataType.REGISTERS) for at, values in blocks]

    bits = [SimData(0, values=[True, False] * (coils // 2), datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(bits, bits, registers(holding), registers(inputs)))


def acme():
    from pymodbus import ModbusDeviceIdentification

    names = {"VendorName": "Acme", "ProductCode": "PM-7", "MajorMinorRevision": "V1.2"}
    return ModbusDeviceIdentification(info_name=names)


async def run(where, *words):
    """Runs the command in a thread, because it runs its own event loop."""
    words = ["modbus", str(where), "--pause", "0s", *map(str, words)]
    return await asyncio.to_thread(CliRunner().invoke, discover, words)


@pytest.fixture
async def plc():
    pump = device(1, [(0, [0, 7]), (100, [5] * 200)])
    async with serving(pump, device(9, [(0, [1])]), identity=acme()) as plc:
        yield plc


async def test_units_ranges_and_identification_become_a_line_file(plc, tmp_path):
    file = tmp_path / "line.yaml"

    done = await run(f"127.0.0.1:{plc.port}", "--units", "1-12", "--most", 1000, "-o", file)

    assert done.exit_code == 0, done.output
    text = file.read_text()
    assert "# Unit 1: Acme PM-7 V1.2\n#   holding 0..1, 100..299\n#   input 5..7\n" in text
    assert "unit1_holding_1: {address: 1}  # 7\n" in text
    tags = load(file).sources["device"].tags
    assert tags["unit9_holding_0"].unit_id == 9
    assert (tags["unit1_input_7"].table, tags["unit1_input_7"].address) == ("input", 7)
    assert len(tags) == 2 + 200 + 3 + 32 + 1 + 3 + 32


async def test_only_reads_are_sent(plc):
    await run(f"127.0.0.1:{plc.port}", "--units", "1-3")

    assert {function for function, _, _ in plc.asked} == READS


async def test_with_more_registers_than_wanted_those_that_are_not_0_come_first(plc):
    done = await run(f"127.0.0.1:{plc.port}", "--units", 1, "--most", 2)

    assert "holding_0:" not in done.output
    assert "holding_1: {address: 1}  # 7\n      holding_100:" in done.output
    assert "The first 2 of 237." in done.output


async def test_no_more_requests_are_sent_than_allowed_and_the_results_are_written(plc):
    done = await run(f"127.0.0.1:{plc.port}", "--units", 1, "--requests", 20)

    assert done.exit_code == 0, done.output
    assert len(plc.asked) == 20
    assert "The scan ended after 20 requests" in done.output
    assert "#   holding 0..1\n" in done.output


async def test_a_device_that_ignores_the_unit_id_is_listed_once():
    async with serving(device(0, [(0, [1])])) as plc:
        done = await run(f"127.0.0.1:{plc.port}", "--units", "1-20")

    assert "It responds to every unit id" in done.output
    assert done.output.count("# Unit ") == 1


async def test_units_on_a_serial_bus_are_listed_and_silent_ones_are_not(tmp_path):
    from pymodbus.server import ModbusSerialServer

    def deaf(is_sent, packet):
        return b"" if is_sent and packet[0] not in (2, 4) else packet

    file = tmp_path / "line.yaml"
    serial = ("--baudrate", 115200, "--parity", "none", "--timeout", "200ms")
    async with serial_line() as (ours, theirs):
        units = [device(unit, [(0, [unit] * 3)]) for unit in (1, 2, 3, 4)]
        server = ModbusSerialServer(units, port=theirs, trace_packet=deaf, identity=acme())
        await server.serve_forever(background=True)
        done = await run(ours, "--units", "1-4", *serial, "-o", file)
        await server.shutdown()
        await asyncio.sleep(0)

    assert done.exit_code == 0, done.output
    assert "# Unit 2: Acme PM-7 V1.2\n#   holding 0..2\n" in file.read_text()
    source = load(file).sources["device"]
    assert (source.transport, source.baudrate) == ("rtu", 115200)
    assert {tag.unit_id or source.unit_id for tag in source.tags.values()} == {2, 4}


async def test_a_missing_device_is_a_readable_error_and_writes_no_file(tmp_path):
    done = await run("127.0.0.1:1", "-o", tmp_path / "line.yaml")

    assert done.exit_code == 1
    assert "connection refused" in done.output
    assert not list(tmp_path.iterdir())


def test_units_are_written_as_ranges():
    assert units_of("1-3, 255", "tcp") == [1, 2, 3, 255]


@pytest.mark.parametrize("text", ["", "1-", "x", "0", "248", "1-999", "5-1"])
def test_impossible_units_are_refused(text):
    with pytest.raises(ValueError, match=r"write them as in 1-20,255|are from 1 to 247"):
        units_of(text, "rtu")
