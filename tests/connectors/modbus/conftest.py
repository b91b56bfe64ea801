"""A real pymodbus server, and a fake for faults that a real server does not have."""

import asyncio
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest
from modbus_plc import serving
from patience import PATIENCE

from connectors.modbus import ModbusConnector, ModbusOptions
from connectors.modbus.bus import _SHARED
from gateway.api.contracts import Places


@pytest.fixture(autouse=True)
def _no_bus_of_another_test():
    """Pseudo-terminals get the names of those before them."""
    _SHARED.clear()


@pytest.fixture
def connector():
    """Builds a connector from a line file's options, for a port on loopback or a serial device."""

    def build(port, tags, name="plc", **options):
        address = {"host": "127.0.0.1", "port": port, "timeout": f"{PATIENCE}s"}
        if isinstance(port, str):
            address = {"device": port}
        given = {"type": "modbus", "period": "20ms"} | address
        valid = ModbusOptions.model_validate(given | {"tags": tags} | options)
        declared = ModbusConnector.declared_tags(name, valid)
        return ModbusConnector(name, valid, declared, Places(Path(), Path()))

    return build


@pytest.fixture
def serve():
    """`async with serve(SimDevice(...), port=0) as plc` runs a pymodbus server."""
    return serving


@dataclass(frozen=True)
class Received:
    """One request as the device received it."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int

    def frame(self, pdu, *, transaction=None, unit=None, protocol=0):
        transaction = self.transaction if transaction is None else transaction
        unit = self.unit if unit is None else unit
        return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu

    def data(self, count=None):
        """As many registers as requested, or `count`; each holds its own address."""
        registers = range(self.address, self.address + (self.count if count is None else count))
        return b"".join(struct.pack(">H", register) for register in registers)

    def correct(self, **frame):
        return self.frame(bytes([self.function, 2 * self.count]) + self.data(), **frame)


class FaultyDevice:
    """Responds with each register's address, unless `fault(request)` returns something else.

    A fault returns the bytes to send, None for silence, or raises ConnectionError to hang up.
    """

    def __init__(self):
        self.fault = Received.correct
        self.requests = []
        self.connections = 0
        self.port = 0

    async def talk(self, reader, writer):
        self.connections += 1
        try:
            while True:
                frame = await reader.readexactly(12)
                transaction, _, _, unit, function, address, count = struct.unpack(">HHHBBHH", frame)
                request = Received(transaction, unit, function, address, count)
                self.requests.append(request)
                response = self.fault(request)
                if response is not None:
                    writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def faulty():
    device = FaultyDevice()
    talks = set()

    def accept(reader, writer):
        task = asyncio.ensure_future(device.talk(reader, writer))
        talks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    device.port = server.sockets[0].getsockname()[1]
    yield device
    server.close()
    await asyncio.wait_for(asyncio.gather(*talks), PATIENCE)
    await server.wait_closed()
