"""The same deviations on a serial port and on ASCII."""

import asyncio
import os
import re
import struct
from contextlib import asynccontextmanager

import pytest
from modbus_plc import serial_line
from odd_modbus import values
from patience import PATIENCE

from connectors.modbus.framing import ascii_frame, rtu_frame
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TAGS = {"a": {"address": 3}, "v": {"address": 100, "data_type": "float32"}}
RIGHT = {0: 31.0, 1: 230.5}


@asynccontextmanager
async def on_a_serial_port(answer):
    """A device at the other end of a serial line; `answer(frame, reply)` gives its bytes."""
    loop = asyncio.get_running_loop()
    async with serial_line() as (ours, theirs):
        end = os.open(theirs, os.O_RDWR | os.O_NOCTTY)
        received = bytearray()

        def read():
            received.extend(os.read(end, 4096))
            while len(received) >= 8:
                frame = bytes(received[:8])
                del received[:8]
                unit, function, address, count = struct.unpack(">BBHH", frame[:6])
                reply = rtu_frame(unit, values(function, address, count))
                os.write(end, answer(frame, reply))

        loop.add_reader(end, read)
        try:
            yield ours
        finally:
            loop.remove_reader(end)
            os.close(end)


SERIAL = {
    "echo": (lambda frame, reply: frame + reply, "echo", "our own request came back"),
    "00 behind": (
        lambda _, reply: reply + b"\0",
        "stray_bytes",
        "a stray byte 00 after the answer",
    ),
    "ff before": (lambda _, reply: b"\xff" + reply, "stray_bytes", "a stray byte ff before"),
    "unit 255": (
        lambda _, reply: rtu_frame(255, reply[1:-2]),
        "unit_id",
        "unit 255 answered for unit 1",
    ),
}


@pytest.mark.parametrize("kind", SERIAL)
async def test_a_serial_port(connector, kind):
    answer, option, why = SERIAL[kind]
    serial = {"transport": "rtu", "baudrate": 115200, "parity": "none", "period": "40ms"}
    async with on_a_serial_port(answer) as device:
        await is_said_and_borne(
            lambda name, **given: connector(device, TAGS, name=name, **serial, **given),
            option,
            why,
        )


ASCII = {
    "echo": (lambda frame, reply: frame + reply, "echo", "our own request came back"),
    "echo in lower case": (lambda f, r: f.lower() + r, "echo", "our own request came back"),
    "CR behind": (
        lambda _, reply: reply + b"\r",
        "stray_bytes",
        "a stray byte 0d after the answer",
    ),
    "NUL behind": (lambda _, reply: reply + b"\0\0", "stray_bytes", "2 stray bytes 00 00 after"),
    "unit 0": (
        lambda _, reply: ascii_frame(0, bytes.fromhex(reply[3:-4].decode())),
        "unit_id",
        "unit 0 answered for unit 1",
    ),
}


@pytest.mark.parametrize("kind", ASCII)
async def test_ascii(connector, kind):
    answer, option, why = ASCII[kind]

    async def talk(reader, writer):
        try:
            while True:
                frame = await reader.readuntil(b"\r\n")
                unit, function, address, count = struct.unpack(
                    ">BBHH", bytes.fromhex(frame[1:13].decode())
                )
                writer.write(answer(frame, ascii_frame(unit, values(function, address, count))))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    talks = []
    server = await asyncio.start_server(
        lambda r, w: talks.append(asyncio.ensure_future(talk(r, w))), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    given = {"transport": "ascii_over_tcp", "period": "40ms"}
    try:
        await is_said_and_borne(
            lambda name, **more: connector(port, TAGS, name=name, **given, **more), option, why
        )
    finally:
        server.close()
        await asyncio.gather(*talks)


async def is_said_and_borne(build, option, why):
    strict = build("strict", timeout="200ms")
    async with strict.open() as batches:
        with pytest.raises(SourceLost) as lost:
            await anext(batches)
    assert re.search(why, str(lost.value)), lost.value
    assert f"`tolerate: [{option}]` would accept it" in str(lost.value)
    # The bus of the strict source is left: sources on one bus must have the same settings.
    strict._bus.is_new = False
    borne = build("borne", timeout="5s", tolerate=[option])
    async with borne.open() as batches, asyncio.timeout(PATIENCE):
        for _ in range(6):
            batch = await anext(batches)
            assert batch.quality[0] == Quality.GOOD, batch.reasons
            assert batch.value[0] == RIGHT[int(batch.tag[0])]
    assert len(borne.diagnostics) == 1
