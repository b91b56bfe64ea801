"""A Modbus device as a process: `serve_modbus.py PORT EPOCH TAGS (tcp|rtu|tls) [CERTIFICATE KEY]`.

Tag k is the unsigned 32-bit value at register 2k, of the second half at 100 + 2k, so that two
requests are needed. Prints a line when it listens; runs until it is ended.
"""

import asyncio
import ssl
import sys
import time

from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from kill_matrix.truth import TAGS, tick_of, value_of

SECOND_HALF = 100


def address_of(tag):
    return 2 * tag + (SECOND_HALF if tag >= TAGS // 2 else 0)


async def main(port, epoch, tags, kind, *files):
    async def refresh(_function, first, _address, _count, registers, _set):
        tick = tick_of(time.time(), epoch)
        for tag in range(tags):
            at = address_of(tag) - first
            registers[at : at + 2] = divmod(value_of(tag, tick), 65536)

    last = address_of(tags - 1) + 1
    registers = SimData(0, count=last + 1, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(1, simdata=[registers], action=refresh)
    where = {"address": ("127.0.0.1", port)}
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        server = ModbusTlsServer(device, sslctx=context, **where)
    else:
        framer = FramerType.RTU if kind == "rtu" else FramerType.SOCKET
        server = ModbusTcpServer(device, framer=framer, **where)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    port, epoch, tags, *rest = sys.argv[1:]
    asyncio.run(main(int(port), float(epoch), int(tags), *rest))
