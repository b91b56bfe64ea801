"""The skid's PLC: a Modbus TCP server whose registers follow the plant.

Promises
- All registers of a table belong to the same instant.
- The registers are read-only: the plant cannot be operated over Modbus.
- `stop` closes the listener and every connection; `start` listens on the same port again.
"""

import logging
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from connectors.simulator.accepting import stop_accepting
from connectors.simulator.instruments import Readings
from connectors.simulator.signals import MODBUS, SIGNALS, UNIT_ID, Register
from gateway.api.contracts import ConfigError

_REGISTERS = 16
_TABLE_OF = {3: "holding", 4: "input"}  # by function code
_TEXTS = {"float32": ">f", "uint16": ">H", "int16": ">h"}
_ADDRESSES = tuple(
    (index, signal.address)
    for index, signal in enumerate(SIGNALS)
    if signal in MODBUS and isinstance(signal.address, Register)
)

Tables = dict[str, list[int]]


def encode(readings: Readings) -> Tables:
    """The registers of both tables, 0 to 65535 each; those without a signal are 0."""
    tables: Tables = {"holding": [0] * _REGISTERS, "input": [0] * _REGISTERS}
    for index, register in _ADDRESSES:
        words = _words(readings[index], register)
        tables[register.table][register.address : register.address + len(words)] = words
    return tables


def _words(value: float, register: Register) -> tuple[int, ...]:
    raw = value if register.data_type == "float32" else round(value / register.scale)
    packed = struct.pack(_TEXTS[register.data_type], raw)
    return struct.unpack(f">{len(packed) // 2}H", packed)


class ModbusServer:
    """Serves the PLC's signals at `host`:`port`; port 0 selects a free one, which is then kept."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._tables = encode([0.0] * len(SIGNALS))
        self._server: Any = None

    @property
    def address(self) -> int:
        """The port."""
        return self.port

    @property
    def is_running(self) -> bool:
        """True while it listens."""
        return self._server is not None

    async def start(self) -> None:
        """Starts listening; ConfigError if the port is not available."""
        from pymodbus.server import ModbusTcpServer

        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        if self._server is not None:
            return
        server: Any = ModbusTcpServer(_device(self._refresh), address=(self.host, self.port))
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            await server.shutdown()
            raise ConfigError(f"Modbus cannot listen on {self.host}:{self.port}") from error
        self._server = server
        self.port = server.transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the listener and every connection."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server.transport.sockets)
            await server.shutdown()

    async def publish(self, at: int, readings: Readings) -> None:  # noqa: ARG002 - the same signature for all servers
        """Serves these readings from now on."""
        self._tables = encode(readings)

    async def _refresh(
        self,
        function: int,
        _start: int,
        _address: int,
        _count: int,
        registers: list[int],
        _set: Any,
    ) -> None:
        if function in _TABLE_OF:
            registers[:_REGISTERS] = self._tables[_TABLE_OF[function]]


def _device(refresh: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """A device with two read-only tables; pymodbus calls `refresh` before each response."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    def block() -> list[SimData]:
        empty = [0] * _REGISTERS
        return [SimData(0, values=empty, datatype=DataType.REGISTERS, readonly=True)]

    bits = [SimData(0, values=False, datatype=DataType.BITS, readonly=True)]
    return SimDevice(UNIT_ID, simdata=(bits, list(bits), block(), block()), action=refresh)
