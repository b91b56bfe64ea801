"""What a broker may do to a client that means no harm: members by name, one connection each."""

import asyncio
import base64
import hashlib

from hostile_peers import reset
from mqtt_wire import (
    AUTH,
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    Broker,
    packet,
    publish,
    text,
    user_properties,
    varying,
)
from sparkplug import BYTES, FLOAT, VARINT, metric, part

FLOOD = 20_000
HUGE = 250_000_000
TOPIC = "plant/x"
ACCEPTED = b"\x20\x02\0\0"
NUMBER = b"\0\7"


def at_once(*pieces, pause=0.0):
    """Sends without hearing anything, and then hears for ever."""

    async def talk(reader, writer):
        await Broker(reader, writer).send(*pieces, pause=pause)
        await _heard(reader)

    return talk


def connected(*pieces, pause=0.0):
    """Sends after the CONNECT, in place of the answer to it."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        await broker.connect()
        await broker.send(*pieces, pause=pause)
        await _heard(reader)

    return talk


def greeted(*pieces, pause=0.0, times=1):
    """Sends after the right answer to CONNECT, and answers what else is asked."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        await broker.greet()
        await _both(broker, pieces, pause, times)

    return talk


def listening(*pieces, pause=0.0, times=1):
    """The same after the first subscription, or a message of the client."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        await broker.greet()
        await broker.take()
        await _both(broker, pieces, pause, times)

    return talk


def in_place_of(kind, *pieces):
    """Answers rightly until a packet of this kind comes, and to that with something else."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        await broker.greet()
        while True:
            first, _ = await broker.next()
            if first & 0xF0 == kind:
                break
        await broker.send(*pieces)
        await _heard(reader)

    return talk


def deaf(*pieces, times=1):
    """Sends for ever and reads nothing."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        await broker.greet()
        await broker.take()
        reader._transport.pause_reading()
        for _ in range(times):
            await broker.send(*pieces)
        await asyncio.sleep(3600)

    return talk


def closing(after, *, by=None):
    """Closes at a stage: 0 at once, 1 after CONNECT, 2 after CONNACK, 3 after SUBACK."""

    async def talk(reader, writer):
        broker = Broker(reader, writer)
        if after:
            await (broker.connect() if after == 1 else broker.greet())
        if after == 3:
            await broker.take()
        (by or _closed)(writer)

    return talk


def _closed(writer):
    writer.close()


async def _both(broker, pieces, pause, times):
    answering = asyncio.ensure_future(broker.serve())
    try:
        for _ in range(times):
            await broker.send(*pieces, pause=pause)
        await answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _heard(reader):
    while await reader.read(65_536):
        pass


def dripped(data, pause=0.3):
    return greeted(*(data[at : at + 1] for at in range(len(data))), pause=pause)


ZEROS = bytes(1_000_000)
# What either client, the source and the sink, has to live with.
BOTH = {
    "silence": at_once(),
    **{f"closing at stage {n}": closing(n) for n in range(4)},
    **{f"resetting at stage {n}": closing(n, by=reset) for n in range(4)},
    "endless CONNACK": connected(*[ACCEPTED * 1000] * 20),
    "CONNACK twice": connected(ACCEPTED, ACCEPTED),
    "half a CONNACK": connected(ACCEPTED[:2]),
    "dripping": connected(b"\x20", b"\x02", b"\0", pause=1.0),
    "CONNACK of 256 MB": connected(packet(CONNACK, length=268_435_455), *[ZEROS] * 100),
    "a length without an end": connected(b"\x20\xff\xff\xff\xff\xff\x7f"),
    **{f"return code {n}": connected(b"\x20\x02\0" + bytes([n])) for n in (1, 2, 3, 4, 5, 6, 255)},
    "an empty CONNACK": connected(packet(CONNACK)),
    "a long CONNACK": connected(packet(CONNACK, bytes(200))),
    "a CONNACK of 16 KB": connected(packet(CONNACK, bytes(16_000))),
    **{f"first packet of kind {n}": connected(packet(n << 4, NUMBER)) for n in range(16) if n != 2},
    **{f"first packet {n} empty": connected(packet(n << 4)) for n in (3, 4, 6, 9, 11)},
    "HTTP": at_once(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "SSH": at_once(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "TLS": at_once(b"\x15\x03\x03\x00\x02\x02\x28"),
    "zeros": at_once(*[ZEROS] * 20),
    "random bytes": at_once(bytes(range(256)) * 4000),
    "answers before CONNECT": at_once(ACCEPTED, packet(SUBACK, b"\0\1\0")),
    "unasked SUBACKs": greeted(packet(SUBACK, NUMBER + b"\0") * 1000, times=FLOOD // 1000),
    "unasked UNSUBACKs": greeted(packet(UNSUBACK, NUMBER) * 1000, times=FLOOD // 1000),
    "unasked PUBACKs": greeted(packet(PUBACK, NUMBER) * 1000, times=FLOOD // 1000),
    "unasked PUBRELs": greeted(packet(PUBREL | 2, NUMBER) * 1000, times=FLOOD // 1000),
    "unasked PINGRESPs": greeted(packet(PINGRESP) * 1000, times=FLOOD // 1000),
    "pings": greeted(packet(PINGREQ) * 1000, times=FLOOD // 1000),
    "pings, and deaf": deaf(packet(PINGREQ) * 1000, times=10_000),
    "a SUBACK of 200 KB": greeted(packet(SUBACK, NUMBER + bytes(200_000))),
    "a dripping packet": dripped(packet(UNSUBACK, NUMBER)),
    "a packet that stays open": greeted(publish(TOPIC, b"1", length=1000)),
    "a message of 250 MB": greeted(publish("plant/giant", length=HUGE), *[ZEROS] * 60),
    "a kept message of 250 MB": listening(
        publish("plant/giant", retain=True, length=HUGE), *[ZEROS] * 60
    ),
    "a message of 250 MB somewhere": greeted(publish("a/b", length=HUGE), *[ZEROS] * 60),
    "a flood of what nobody asked for": listening(
        *[publish(f"other/{n}", b"1", retain=True) for n in range(1000)], times=FLOOD // 1000
    ),
    "long messages nobody asked for": listening(publish("o", bytes(1_000_000)), times=100),
    "topics of 64 KB": listening(publish("x" * 65_000, b"1"), times=1_000),
    "QoS 2 never released": listening(
        *[publish(TOPIC, bytes(50_000), qos=2, number=n) for n in range(1, 1000)]
    ),
    "small QoS 2 never released": listening(
        b"".join(publish(TOPIC, b"1", qos=2, number=n) for n in range(1, 60_000))
    ),
    "QoS 3": greeted(packet(0x36, text(TOPIC) + NUMBER + b"1")),
    "a topic longer than its packet": greeted(packet(0x30, b"\xff\xffabc")),
    "no topic": greeted(publish("", b"1")),
    "a message of one byte": greeted(packet(0x30, b"\0")),
    "a topic with a wildcard": greeted(publish("plant/#", b"1")),
    "a topic with NUL": greeted(publish("plant/\0", b"1")),
    "a topic not in UTF-8": greeted(publish(b"\xff\xfe", b"1")),
    "a SUBSCRIBE": greeted(packet(SUBSCRIBE | 2, NUMBER + text("#") + b"\0")),
    "DISCONNECT": greeted(packet(DISCONNECT)),
    "AUTH": greeted(packet(AUTH)),
}

SUBACKS = {
    "no codes": packet(SUBACK, NUMBER),
    "too many codes": packet(SUBACK, b"\0\1" + bytes(1_000)),
    "a wrong code": packet(SUBACK, b"\0\1\x7f"),
    "another number": packet(SUBACK, b"\xff\xff\1"),
    "an UNSUBACK": packet(UNSUBACK, b"\0\1"),
    "two bytes": packet(SUBACK, b"\0"),
    "nothing": b"",
}


def value(payload, times=1, topic=TOPIC):
    return listening(publish(topic, payload), times=times)


def metrics(*parts, seq=0):
    """A Sparkplug payload with these metrics as they are."""
    body = b"".join(part(2, BYTES, each) for each in parts)
    return part(1, VARINT, 1_700_000_000_000) + body + part(3, VARINT, seq)


def node(kind, payload, device="", **given):
    return publish(f"spBv1.0/g/{kind}/n" + (f"/{device}" if device else ""), payload, **given)


def numbered(count, *, alias=None):
    return [metric(f"m{n}", 1.0, FLOAT, alias=alias) for n in range(count)]


BIRTH = node("NBIRTH", metrics(metric("rpm", 1.0, FLOAT, alias=1)))


def deep():
    """Templates in templates."""
    inner = b""
    for _ in range(200):
        inner = part(2, BYTES, part(18, BYTES, inner))
    return inner


PAYLOADS = {
    "200,000 brackets": value(b"[" * 200_000),
    "200,000 objects": value(b'{"value":' * 200_000),
    "a number of 5,000 digits": value(b'{"value":' + b"9" * 5_000 + b"}"),
    "a million digits": value(b"1" * 1_000_000),
    "a megabyte of numbers of 4,000 digits": value(b"[" + b",".join([b"9" * 4_000] * 250) + b"]"),
    "a list of a megabyte": value(b"[" + b",".join([b"[]"] * 340_000) + b"]", times=5),
    "objects of a megabyte": value(b"[" + b",".join([b"{}"] * 340_000) + b"]", topic="plant/l"),
    "SenML of a megabyte": value(
        b'[{"bn":"a"},' + b",".join([b'{"v":1}'] * 120_000) + b"]", topic="plant/s", times=3
    ),
    "text of a megabyte": value(b"x" * 1_000_000, times=20),
    "other texts each time": listening(
        *[publish(TOPIC, f"word {chr(97 + n % 26)}{n % 19}".encode()) for n in range(5_000)]
    ),
    "bytes": value(bytes(range(256)) * 4_000),
    "zeros as payload": value(ZEROS),
    "five megabytes": value(bytes(3_000_000), times=20),
    "a flood of values": listening(
        *[publish(TOPIC, b'{"value": %d}' % n) for n in range(1_000)], times=FLOOD // 1000
    ),
    "a flood at QoS 1": listening(
        *[publish(TOPIC, b'{"value": 1}', qos=1, number=n + 1) for n in range(1_000)],
        times=FLOOD // 1000,
    ),
    "a flood at QoS 1, and deaf": deaf(
        *[publish(TOPIC, b'{"value": 1}', qos=1, number=n + 1) for n in range(1_000)],
        times=1_000,
    ),
    "thousands of topics": listening(
        *[publish(f"plant/many/{n}", b"1", retain=True) for n in range(FLOOD)]
    ),
    "a time of the year 2100": value(b'{"value": 1, "t": 4102444800}', topic="plant/t"),
    "a time of 5,000 digits": value(b'{"value": 1, "t": "' + b"9" * 5_000 + b'"}', topic="plant/t"),
    "a time before all times": value(b'{"value": 1, "t": -1e308}', topic="plant/t"),
    "half a million metrics": listening(node("NBIRTH", part(2, BYTES, b"") * 500_000), times=3),
    "a birth with 40,000 metrics": listening(node("NBIRTH", metrics(*numbered(40_000))), times=5),
    "the same alias for all": listening(node("NBIRTH", metrics(*numbered(10_000, alias=1)))),
    "births and gaps": listening(*[BIRTH, node("NDATA", metrics(seq=9))] * 2_000),
    "births and deaths": listening(*[BIRTH, node("NDEATH", metrics())] * 2_000),
    "deep templates": listening(node("NBIRTH", deep())),
    "names not in UTF-8": listening(node("NBIRTH", metrics(part(1, BYTES, b"\xff" * 1000)))),
    "a name of a megabyte": listening(node("NBIRTH", metrics(metric("x" * 10**6, 1.0, FLOAT)))),
    "properties without an end": listening(
        node("NBIRTH", metrics(part(9, BYTES, part(1, BYTES, b"k") * 300_000)))
    ),
    "Sparkplug that is none": listening(node("NBIRTH", bytes(range(256)) * 100)),
    "a varint without an end": listening(node("NBIRTH", b"\x08" + b"\xff" * 100_000)),
    "data of unknown aliases": listening(
        *[
            node("NDATA", metrics(metric(None, 1.0, FLOAT, alias=n), seq=n % 256))
            for n in range(999)
        ]
    ),
}

BOMB = user_properties(200_000)


def connack5(properties, code=0):
    return packet(CONNACK, bytes([0, code]) + varying(len(properties)) + properties)


MQTT_5 = {
    "user properties of 200 KB in a message": listening(
        publish(TOPIC, b'{"value": 1}', properties=BOMB), times=20
    ),
    "user properties of 1 MB in a message": listening(
        publish(TOPIC, b'{"value": 1}', properties=user_properties(1_000_000)), times=20
    ),
    "user properties of 200 KB in CONNACK": connected(connack5(BOMB)),
    "user properties of 16 KB in CONNACK": connected(connack5(user_properties(16_000))),
    "user properties of 16 KB in UNSUBACKs": greeted(
        packet(UNSUBACK, NUMBER + varying(15_995) + user_properties(15_995) + b"\0"), times=50
    ),
    "a keep-alive of 0": connected(connack5(b"\x13\0\0")),
    "a receive maximum of 0": connected(connack5(b"\x21\0\0")),
    "the largest packet is 0": connected(connack5(b"\x27\0\0\0\0")),
    "an unknown property": connected(connack5(b"\x7f\0")),
    "a property twice": connected(connack5(b"\x13\0\1\x13\0\1")),
    "properties longer than the packet": connected(packet(CONNACK, b"\0\0\xff\xff\x7f")),
    "a length of properties without an end": listening(
        packet(0x30, text(TOPIC) + b"\xff\xff\xff\xff\xff")
    ),
    "properties longer than the message": listening(packet(0x30, text(TOPIC) + b"\x70")),
    "a topic alias": listening(publish("", b"1", properties=b"\x23\0\1")),
    **{f"reason code {n}": connected(connack5(b"", n)) for n in (1, 2, 128, 135, 137, 157, 255)},
    **{
        f"DISCONNECT {n}": listening(packet(DISCONNECT, bytes([n, 0])))
        for n in (0, 1, 4, 130, 142, 147, 149, 255)
    },
    "a DISCONNECT of 200 KB": listening(packet(DISCONNECT, b"\x8e" + varying(len(BOMB)) + BOMB)),
}


def upgraded(*pieces, pause=0.0):
    """A websocket that is opened rightly, and what comes through it."""

    async def talk(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1]
            for line in head.split(b"\r\n")
            if b"sec-websocket-key" in line.lower()
        )
        accept = base64.b64encode(
            hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        )
        answer = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        await Broker(reader, writer).send(answer, *pieces, pause=pause)
        await _heard(reader)

    return talk


def frame(data, opcode=2, length=None):
    size = len(data) if length is None else length
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + data


SWITCHED = b"HTTP/1.1 101 X\r\n"
WEBSOCKETS = {
    "no websocket": at_once(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "headers without an end": at_once(SWITCHED, *[b"X: y\r\n" * 10_000] * 50),
    "a header without an end": at_once(SWITCHED, *[b"x" * 100_000] * 50),
    "a dripping header": at_once(*[b"H"] * 30, pause=1.0),
    "nothing at all": at_once(),
    "another key": at_once(SWITCHED + b"Connection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n"),
    "a key not in UTF-8": at_once(
        SWITCHED + b"Connection: Upgrade\r\nSec-WebSocket-Accept: \xff\xfe\r\n\r\n"
    ),
    "a key without a value": at_once(
        SWITCHED + b"Connection: Upgrade\r\nSec-WebSocket-Accept\r\n\r\n"
    ),
    "a frame of 2**63 bytes": upgraded(frame(ACCEPTED, length=2**63)),
    "a frame of small packets": upgraded(frame(ACCEPTED + packet(PINGRESP) * 500_000)),
    "frames of one byte": upgraded(*[frame(bytes([byte])) for byte in ACCEPTED]),
    "empty frames": upgraded(frame(b"") * 50_000),
    "pings of a websocket": upgraded(frame(b"", opcode=9) * 50_000),
    "a close frame": upgraded(frame(b"", opcode=8)),
    "text": upgraded(frame(ACCEPTED, opcode=1)),
    "a giant in a frame": upgraded(
        frame(ACCEPTED + publish("plant/giant", length=HUGE), length=HUGE), *[ZEROS] * 60
    ),
}
