"""A real Modbus server for tests, and a line of two pseudo-terminals."""

import asyncio
import os
import tty
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Plc:
    """A server's port and what it was sent: function, unit, address."""

    port: int
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    connections: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(*devices, port=0, **options):
    """A pymodbus TCP server that records what it is asked."""
    from pymodbus.server import ModbusTcpServer

    plc = Plc(port)

    def heard(is_sent, pdu):
        if not is_sent:
            plc.asked.append((pdu.function_code, pdu.dev_id, getattr(pdu, "address", 0)))
        return pdu

    def connected(is_connected):
        plc.connections += is_connected
        if not is_connected:
            plc.gone.set()

    server = ModbusTcpServer(
        list(devices),
        address=("127.0.0.1", port),
        trace_pdu=heard,
        trace_connect=connected,
        **options,
    )
    await server.serve_forever(background=True)
    plc.port = server.transport.sockets[0].getsockname()[1]
    try:
        yield plc
    finally:
        await server.shutdown()
        await asyncio.sleep(0)


@asynccontextmanager
async def serial_line():
    """Two pseudo-terminals and what bridges them: the names of both ends."""
    loop = asyncio.get_running_loop()
    (ours, our_end), (theirs, their_end) = os.openpty(), os.openpty()
    pairs = {ours: theirs, theirs: ours}
    for descriptor in (our_end, their_end):
        tty.setraw(descriptor)
    for source, target in pairs.items():
        loop.add_reader(source, lambda s=source, t=target: os.write(t, os.read(s, 4096)))
    try:
        yield os.ttyname(our_end), os.ttyname(their_end)
    finally:
        for source in pairs:
            loop.remove_reader(source)
        for descriptor in (ours, our_end, theirs, their_end):
            os.close(descriptor)
