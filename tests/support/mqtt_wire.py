"""Packets of MQTT, right and wrong, and a broker's side of one connection."""

import asyncio
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = (n << 4 for n in range(1, 8))
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = (
    n << 4 for n in range(8, 16)
)


def varying(number):
    """A number in seven bits a byte."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def packet(first, body=b"", length=None):
    """A packet; `length` is what it announces instead of its true length."""
    return bytes([first]) + varying(len(body) if length is None else length) + body


def text(words):
    data = words if isinstance(words, bytes) else words.encode()
    return struct.pack(">H", len(data)) + data


def publish(topic, payload=b"", *, qos=0, retain=False, number=1, properties=None, length=None):
    """A PUBLISH; `properties` are those of MQTT 5, `length` what it announces."""
    body = text(topic) + (struct.pack(">H", number) if qos else b"")
    if properties is not None:
        body += varying(len(properties)) + properties
    return packet(PUBLISH | qos << 1 | retain, body + payload, length)


def user_properties(size):
    return (b"\x26" + text("k") + text("v")) * (size // 7)


class Broker:
    """One connection; it keeps to the protocol in all that it is asked."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.is_5 = reader, writer, False
        self.taken = []

    async def send(self, *pieces, pause=0.0):
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def next(self):
        """The first byte and the body of the client's next packet."""
        first = (await self.reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self.reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return first, await self.reader.readexactly(length)

    async def connect(self):
        """Takes the CONNECT without an answer."""
        _, body = await self.next()
        self.is_5 = body[6] == 5

    async def greet(self):
        await self.connect()
        await self.send(b"\x20\x03\0\0\0" if self.is_5 else b"\x20\x02\0\0")

    async def take(self):
        """Takes the next packet and answers it as a broker should; its kind."""
        first, body = await self.next()
        kind, number = first & 0xF0, body[:2]
        none = b"\0" if self.is_5 else b""
        if kind == SUBSCRIBE:
            await self.send(
                packet(SUBACK, number + none + bytes([1]) * filters_in(body, self.is_5))
            )
        elif kind == UNSUBSCRIBE:
            await self.send(packet(UNSUBACK, number + (b"\0\0" if self.is_5 else b"")))
        elif kind == PINGREQ:
            await self.send(packet(PINGRESP))
        elif kind == PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            self.taken.append((body[2:end].decode(), body[end + 2 :]))
            await self.send(packet(PUBACK, body[end : end + 2]))
        return kind

    async def until(self, wanted):
        while await self.take() != wanted:
            pass

    async def serve(self):
        """Answers for ever."""
        while True:
            await self.take()


def filters_in(body, is_5):
    """How many filters a SUBSCRIBE has."""
    at, count = (3 if is_5 else 2), 0
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
        count += 1
    return count
