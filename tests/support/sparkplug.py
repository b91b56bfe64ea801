"""A Sparkplug B edge node that speaks through a real broker, with an encoder of its own.

The encoder follows the specification, not our decoder: whatever it writes is what any edge node
would write.
"""

import socket
import struct
import time
from contextlib import asynccontextmanager

import aiomqtt

INT32, INT64, UINT16, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 3, 4, 6, 8, 9, 10, 11, 12
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(number):
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def part(number, kind, content):
    """One field: `content` is a number for a varint, bytes otherwise."""
    if kind == VARINT:
        content = varint(content)
    elif kind == BYTES:
        content = varint(len(content)) + content
    return varint(number << 3 | kind) + content


def value_part(value, datatype):
    if datatype in (FLOAT, DOUBLE):
        wide = datatype == DOUBLE
        packed = struct.pack("<d" if wide else "<f", value)
        return part(13, FIXED64, packed) if wide else part(12, FIXED32, packed)
    if datatype == BOOLEAN:
        return part(14, VARINT, value)
    if datatype == STRING:
        return part(15, BYTES, value.encode())
    if datatype in (INT64, UINT64):
        return part(11, VARINT, value)
    return part(10, VARINT, value & 2**32 - 1)


def metric(
    name, value, datatype, *, alias=None, at=None, typed=True, historical=False, quality=None
):
    """A metric's bytes; a `value` of None is a null; `at` in ms."""
    out = b"" if name is None else part(1, BYTES, name.encode())
    out += b"" if alias is None else part(2, VARINT, alias)
    out += b"" if at is None else part(3, VARINT, at)
    out += part(4, VARINT, datatype) if typed else b""
    out += part(5, VARINT, 1) if historical else b""
    if quality is not None:
        said = part(1, VARINT, INT32) + part(3, VARINT, quality)
        out += part(9, BYTES, part(1, BYTES, b"Quality") + part(2, BYTES, said))
    return out + (part(7, VARINT, 1) if value is None else value_part(value, datatype))


def payload(*metrics, at=None, seq=None):
    out = b"" if at is None else part(1, VARINT, at)
    out += b"".join(part(2, BYTES, each) for each in metrics)
    return out + (b"" if seq is None else part(3, VARINT, seq))


def now_ms():
    return time.time_ns() // 10**6


class EdgeNode:
    """Publishes what it is told, and counts as the specification demands."""

    def __init__(self, client, group, name, bd_seq):
        self._client, self._group, self._name = client, group, name
        self._bd_seq, self.seq, self.is_dead = bd_seq, 0, False

    async def _send(self, kind, body, device=None, *, retain=False):
        below = f"/{device}" if device else ""
        topic = f"spBv1.0/{self._group}/{kind}/{self._name}{below}"
        await self._client.publish(topic, body, qos=1, retain=retain)

    async def birth(self, *metrics, retain=False):
        self.seq = 0
        bd_seq = metric("bdSeq", self._bd_seq, INT64)
        rebirth = metric("Node Control/Rebirth", False, BOOLEAN)
        body = payload(bd_seq, rebirth, *metrics, at=now_ms(), seq=0)
        await self._send("NBIRTH", body, retain=retain)

    async def say(self, kind, *metrics, device=None, at=None):
        """NDATA, DBIRTH, DDATA or DDEATH, with the next number of the sequence."""
        self.lose()
        await self._send(kind, payload(*metrics, at=at or now_ms(), seq=self.seq), device)

    async def send_raw(self, kind, body, device=None):
        await self._send(kind, body, device)

    def kill(self):
        """The connection breaks, and the broker sends the last will."""
        self._client._client.socket().shutdown(socket.SHUT_RDWR)
        self.is_dead = True

    def lose(self):
        """A number is used up, as by a message that never arrives."""
        self.seq = (self.seq + 1) % 256


@asynccontextmanager
async def edge_node(port, group="plant", name="edge", bd_seq=0):
    """An edge node whose last will is its death; leaving the context is dying."""
    death = payload(metric("bdSeq", bd_seq, INT64), at=now_ms())
    will = aiomqtt.Will(f"spBv1.0/{group}/NDEATH/{name}", death, qos=1)
    client = aiomqtt.Client("127.0.0.1", port, will=will)
    async with client:
        node = EdgeNode(client, group, name, bd_seq)
        yield node
        if not node.is_dead:
            await client.publish(will.topic, death, qos=1)


# A decoder of its own, from the specification's field numbers -----------------------------------


def fields_of(message):
    """(number, content) of each field; numbers for varints, bytes for all others."""
    at = 0
    while at < len(message):
        head, at = _varint(message, at)
        kind = head & 7
        if kind == VARINT:
            content, at = _varint(message, at)
        elif kind == BYTES:
            length, at = _varint(message, at)
            content, at = message[at : at + length], at + length
            assert len(content) == length, "cut short"
        else:
            length = {FIXED64: 8, FIXED32: 4}[kind]
            content, at = message[at : at + length], at + length
        yield head >> 3, content


def _varint(message, at):
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def decoded(message):
    """A payload as a dictionary: `metrics` by name, and `timestamp` and `seq` if they are there."""
    out = {"metrics": {}}
    for number, content in fields_of(message):
        if number == 2:
            found = _metric(content)
            assert found["name"] not in out["metrics"], "a metric twice"
            out["metrics"][found["name"]] = found
        else:
            out[{1: "timestamp", 3: "seq"}[number]] = content
    return out


_METRIC = {1: "name", 2: "alias", 3: "timestamp", 4: "datatype", 5: "historical", 7: "null"}


def _metric(message):
    found = {"value": None, "properties": {}}
    for number, content in fields_of(message):
        if number in _METRIC:
            found[_METRIC[number]] = content.decode() if number == 1 else content
        elif number == 9:
            found["properties"] = _properties(content)
        elif number == 13:
            (found["value"],) = struct.unpack("<d", content)
        elif number == 14:
            found["value"] = bool(content)
        else:
            found["value"] = {11: int, 15: bytes.decode}[number](content)
    return found


def _properties(message):
    keys, values = [], []
    for number, content in fields_of(message):
        if number == 1:
            keys.append(content.decode())
        else:
            one = dict(fields_of(content))
            is_text = one[1] == STRING
            values.append(one[8].decode() if is_text else struct.unpack("<d", one[6])[0])
    assert len(keys) == len(values)
    return dict(zip(keys, values, strict=True))
