"""An OPC UA server as a process: `serve_opcua.py JSON`, with the fields of `Wanted`.

Writes each tag at every tick, with the tick's time as source time, and each tick to a journal.
Answers each line on its standard input with one on its standard output: `held` with the sessions it
has, `bad` and `good` with what the status of its values is from now on.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncua import Server, ua
from asyncua.server.internal_session import InternalSession

from kill_matrix.truth import TICK_S, tick_of, value_of

URI = "urn:andon:matrix"


@dataclass(frozen=True)
class Wanted:
    """`others` are namespaces before its own; `sessions` the most it allows."""

    port: int
    epoch: float
    tags: int
    journal: str
    others: int = 0
    sessions: int = 100
    certificate: str = ""
    key: str = ""


async def main(wanted):
    server = Server()
    await server.init()
    server.disable_clock()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{wanted.port}")
    await secure(server, wanted)
    InternalSession.max_connections = wanted.sessions
    for number in range(wanted.others):
        await server.register_namespace(f"urn:andon:other:{number}")
    index = await server.register_namespace(URI)
    nodes = [ua.NodeId(f"t{tag}", index) for tag in range(wanted.tags)]
    status = [ua.StatusCodes.Good]
    for tag, node in enumerate(nodes):
        now = tick_of(time.time(), wanted.epoch)
        await server.nodes.objects.add_variable(node, f"t{tag}", float(value_of(tag, now)))
    async with server:
        await write(server, nodes, wanted, tick_of(time.time(), wanted.epoch), status)
        print("ready", flush=True)
        await asyncio.gather(tick(server, nodes, wanted, status), answer(server, status))


async def secure(server, wanted):
    if not wanted.certificate:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return
    await server.set_application_uri("urn:test:server")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(wanted.certificate)
    await server.load_private_key(wanted.key)


async def tick(server, nodes, wanted, status):
    with open(wanted.journal, "a", buffering=1) as journal:  # noqa: ASYNC230, PTH123 - a line at a time
        while True:
            now = tick_of(time.time(), wanted.epoch)
            await write(server, nodes, wanted, now, status)
            if status[0] == ua.StatusCodes.Good:
                journal.write(f"{now} {len(nodes)}\n")
            await asyncio.sleep(wanted.epoch + (now + 1) * TICK_S - time.time())


async def write(server, nodes, wanted, now, status):
    moment = datetime.fromtimestamp(wanted.epoch + now * TICK_S, UTC)
    for tag, node in enumerate(nodes):
        value = ua.Variant(float(value_of(tag, now)))
        data = ua.DataValue(value, ua.StatusCode(status[0]), moment, moment)
        await server.write_attribute_value(node, data)


async def answer(server, status):
    while True:
        asked = (await asyncio.to_thread(sys.stdin.readline)).strip()
        if not asked:
            return
        if asked in {"good", "bad"}:
            codes = ua.StatusCodes
            status[0] = codes.Good if asked == "good" else codes.BadDeviceFailure
        print(json.dumps(len(server.iserver._external_sessions)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Wanted(**json.loads(sys.argv[1]))))
