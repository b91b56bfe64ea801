"""The servers of the benchmark in a process of their own: many registers, many nodes, a cloud.

The cloud accepts every write and stores nothing. Prints a line of JSON when ready and runs until
terminated.
"""

import asyncio
import json
import math
import sys
import time

from aiohttp import web
from asyncua import Server, ua
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 1000
NODES = 200
UPDATE_S = 0.1
URI = "urn:andon:bench"


async def cloud(port):
    async def take(request):
        await request.read()
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/api/v2/write", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()


async def main(modbus_port, opcua_port, cloud_port):
    await cloud(cloud_port)

    async def wave(_function, _start, _address, _count, registers, _set):
        # A square wave of 10 s, which crosses a limit repeatedly.
        registers[0] = 900 if time.time() % 10 < 5 else 100

    registers = SimData(0, values=[k % 1000 for k in range(REGISTERS)], datatype=DataType.REGISTERS)
    device = SimDevice(1, simdata=[registers], action=wave)
    modbus = ModbusTcpServer(device, address=("127.0.0.1", modbus_port))
    await modbus.serve_forever(background=True)
    opcua = Server()
    await opcua.init()
    opcua.set_endpoint(f"opc.tcp://127.0.0.1:{opcua_port}")
    opcua.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await opcua.register_namespace(URI)
    nodes = [
        await opcua.nodes.objects.add_variable(ua.NodeId(f"n{k}", index), f"n{k}", float(k))
        for k in range(NODES)
    ]
    async with opcua:
        print(json.dumps({"modbus": modbus_port, "opcua": opcua_port}), flush=True)
        while True:
            now = time.time()
            for k, node in enumerate(nodes):
                await opcua.write_attribute_value(
                    node.nodeid, ua.DataValue(math.sin(now + k) + 10.0)
                )
            await asyncio.sleep(UPDATE_S)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
