"""What the protocol libraries alone cost: a loop of reads, a subscription, nothing else.

`bare.py modbus PORT SECONDS` or `bare.py opcua PORT SECONDS`; prints one JSON line with the
values read and the CPU seconds they took, after a warm-up.
"""

import asyncio
import json
import logging
import sys
import time

from plant import NODES, REGISTERS, URI

PERIOD_S = 0.1
PER_REQUEST = 125
WARM_UP_S = 2.0


async def modbus(port, seconds):
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
    await client.connect()
    start, values, cpu = time.monotonic(), 0, 0.0
    tick = 0
    while (now := time.monotonic() - start) < WARM_UP_S + seconds:
        if not cpu and now >= WARM_UP_S:
            values, cpu = 0, time.process_time()
        for address in range(0, REGISTERS, PER_REQUEST):
            answer = await client.read_holding_registers(address, count=PER_REQUEST, device_id=1)
            values += len(answer.registers)
        tick += 1
        await asyncio.sleep(max(0.0, start + tick * PERIOD_S - time.monotonic()))
    client.close()
    return values, time.process_time() - cpu


async def opcua(port, seconds):
    from asyncua import Client, ua

    class Count:
        values = 0

        def datachange_notification(self, _node, _value, _data):
            self.values += 1

    async with Client(f"opc.tcp://127.0.0.1:{port}") as client:
        index = await client.get_namespace_index(URI)
        count = Count()
        subscription = await client.create_subscription(200, count)
        nodes = [client.get_node(ua.NodeId(f"n{k}", index)) for k in range(NODES)]
        await subscription.subscribe_data_change(nodes, queuesize=20, sampling_interval=50)
        await asyncio.sleep(WARM_UP_S)
        values, cpu = count.values, time.process_time()
        await asyncio.sleep(seconds)
        return count.values - values, time.process_time() - cpu


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    run = {"modbus": modbus, "opcua": opcua}[sys.argv[1]]
    read, spent = asyncio.run(run(int(sys.argv[2]), float(sys.argv[3])))
    print(json.dumps({"values": read, "cpu_s": spent}))
