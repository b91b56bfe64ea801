"""Modbus devices that break the rules, on asyncio: faults that a real server does not commit.

Register n holds 10 n + 1; registers 100 and 101 hold the float 230.5.
"""

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connectors.modbus.framing import rtu_frame


def register(address):
    return {100: 0x4366, 101: 0x8000}.get(address, (10 * address + 1) & 0xFFFF)


def values(function, address, count):
    """The PDU of a right answer."""
    if function < 3:
        size = (count + 7) // 8
        return bytes([function, size]) + b"\x55" * size
    data = b"".join(struct.pack(">H", register(address + at)) for at in range(count))
    return bytes([function, 2 * count]) + data


@dataclass
class Asked:
    """One request; `number` counts those of its connection from 1."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int
    frame: bytes
    number: int

    def pdu(self):
        return values(self.function, self.address, self.count)

    def tcp(self, pdu=None, *, transaction=None, protocol=0, length=None, unit=None):
        pdu = self.pdu() if pdu is None else pdu
        transaction = self.transaction if transaction is None else transaction
        length = len(pdu) + 1 if length is None else length
        unit = self.unit if unit is None else unit
        return struct.pack(">HHHB", transaction, protocol, length, unit) + pdu

    def rtu(self, pdu=None, unit=None):
        return rtu_frame(self.unit if unit is None else unit, self.pdu() if pdu is None else pdu)


@dataclass
class OddDevice:
    """`answer(asked)` gives what to do: bytes to send, a number of seconds to wait, or "close".

    `refuse_s` is how long a new connection is closed at once after one was closed.
    """

    answer: object
    is_rtu: bool = False
    idle_s: float | None = None
    refuse_s: float = 0.0
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    refused: int = 0
    free_at: float = 0.0

    async def talk(self, reader, writer):
        loop = asyncio.get_running_loop()
        if loop.time() < self.free_at:
            self.refused += 1
            writer.close()
            return
        self.connections += 1
        number = 0
        try:
            while True:
                async with asyncio.timeout(self.idle_s if number else None):
                    frame = await reader.readexactly(8 if self.is_rtu else 12)
                number += 1
                head = struct.unpack(">BBHH", frame[:6] if self.is_rtu else frame[6:])
                transaction = 0 if self.is_rtu else int.from_bytes(frame[:2], "big")
                asked = Asked(transaction, *head, frame, number)
                self.asked.append(asked)
                for step in self.answer(asked):
                    if step == "reset":
                        writer.transport.abort()
                        return
                    if step == "close":
                        return
                    if isinstance(step, bytes):
                        writer.write(step)
                    else:
                        await asyncio.sleep(step)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        finally:
            self.free_at = loop.time() + self.refuse_s
            writer.close()


@asynccontextmanager
async def odd_device(answer, **options):
    """The device, listening on `port` until the block is left."""
    device, talks = OddDevice(answer, **options), set()
    server = await asyncio.start_server(
        lambda r, w: talks.add(asyncio.ensure_future(device.talk(r, w))), "127.0.0.1", 0
    )
    device.port = server.sockets[0].getsockname()[1]
    try:
        yield device
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
