"""Malformed payloads, topics and packets: nothing but SourceLost leaves, and no value is invented.

A longer run: ANDON_FUZZ_FRAMES=100000 pytest --timeout=0 tests/connectors/mqtt/test_fuzz.py
"""

import asyncio
import json
import math
import os
import struct
from contextlib import suppress
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import sparkplug
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sparkplug import BOOLEAN, DOUBLE, INT32, INT64, STRING

from connectors.mqtt import MqttConnector, MqttOptions
from connectors.mqtt.reader import Reader
from connectors.mqtt.receive_queue import ReceivedMessage, ReceiveQueue
from connectors.mqtt.topics import plan_of
from gateway.api.contracts import Places, SourceLost
from gateway.api.model import Quality

FRAMES = int(os.environ.get("ANDON_FUZZ_FRAMES", "2000"))
VARIANTS = 20
"""Payloads for each example: hypothesis draws one, and a seed for damaging it in many ways."""
TAGS = {
    "plain": {"topic": "plain", "path": ""},
    "value": {"topic": "json"},
    "deep": {"topic": "json", "path": "a[0].b"},
    "timed": {"topic": "json", "time_path": "at", "time_format": "iso"},
    "ms": {"topic": "json", "time_path": "/at", "time_format": "ms"},
    "judged": {"topic": "json", "quality_path": "q", "quality_good": [192, "ok", True]},
    "state": {"topic": "json", "path": "state", "enumeration": {"ON": 1, "OFF": 0}},
    "selected": {"topic": "json", "path": "a[b=0].value", "time_path": "at", "time_format": "s"},
    "nested": {"topic": "json", "path": "a[at=true].a[b=null][q=0].value"},
    "samples": {"topic": "json", "path": "[*].value", "time_path": "at", "time_format": "ms"},
    "columns": {"topic": "json", "path": "a[*]", "time_path": "at[*]", "time_format": "ns"},
    "inner": {"topic": "json", "path": "[*].a[*]", "time_path": "at[*]", "time_format": "s"},
    "failed": {"topic": "json", "error_path": "q", "absent": "bad"},
    "senml": {"topic": "json", "format": "senml", "path": "[n=a].v"},
    "flow": {"sparkplug": "g/n", "metric": "flow"},
    "count": {"sparkplug": "g/n/d", "metric": "count"},
    "mode": {"sparkplug": "g/n/d", "metric": "mode", "enumeration": {"AUTO": 3}},
}
OPTIONS = {"type": "mqtt", "host": "h", "tags": TAGS, "primary_host": "scada"}
NAMES = list(TAGS)
TOPICS = ["plain", "json", "STATE/scada", "spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n"]
TOPICS += ["spBv1.0/g/NDEATH/n", "spBv1.0/g/DBIRTH/n/d", "spBv1.0/g/DDATA/n/d"]
TOPICS += ["spBv1.0/g/DDEATH/n/d", "$sparkplug/certificates/spBv1.0/g/NBIRTH/n"]

fuzzing = settings(
    max_examples=max(FRAMES // VARIANTS, 30),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
seeds = st.integers(0, 2**32)


def edited(frame, random):
    """The frame, damaged at up to four positions."""
    for _ in range(random.randrange(5)):
        at, data = random.randrange(len(frame) + 1), random.randbytes(random.randint(1, 6))
        head, tail = frame[:at], frame[at:]
        frame = random.choice(
            [
                head + data + tail[len(data) :],
                head + tail[len(data) :],
                head + data + tail,
                head,
                frame[:5000] * 2,
                head + bytes([tail[0] ^ 1 << random.randrange(8)]) + tail[1:] if tail else head,
            ]
        )
    return frame


def reader():
    options = MqttOptions.model_validate(OPTIONS)
    return Reader(plan_of(options), options, lambda _event, **_fields: None)


def samples(batch):
    assert np.array_equal(np.isnan(batch.value), batch.quality == Quality.BAD)
    assert not np.isinf(batch.value).any()
    assert ((batch.at >= 0) & (batch.tag >= 0) & (batch.tag < len(TAGS))).all()
    columns = (batch.tag.tolist(), batch.value.tolist(), batch.quality.tolist())
    return [
        (NAMES[tag], value, quality)
        for tag, value, quality in zip(*columns, strict=True)
        if quality != Quality.BAD
    ]


def read(reader, topic, payload, *, retained=False):
    return samples(reader.batch([ReceivedMessage(10**18, topic, payload, len(payload), retained)]))


# Plain numbers and JSON ------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
scalars |= st.sampled_from(["ON", "ok", 192, 10**400, "2026-01-01T00:00:00Z", 1e308, -0.0])
keys = st.sampled_from(["value", "a", "b", "at", "q", "state", "0"])
keys |= st.sampled_from(["n", "v", "t", "bn", "bt", "bv"])
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=10,
)
odd = st.sampled_from(
    [
        b"[" * 200_000,
        b'{"value":' * 50_000,
        b'{"a":[{"b":' * 20_000,
        b"9" * 300_000,
        b'{"value":' + b"9" * 5000 + b"}",
        b'{"value":1e999}',
        b'{"value":-Infinity}',
        b"NaN",
        b"\xef\xbb\xbf1",
        b'{"value":1,"value":2}',
        b'{"value":"\\ud800"}',
        b"\xff\xfe1\0",
        b"\0",
        b"0x10",
        b"1_000",
        "\u0661".encode(),
    ]
)


def numbers_in(payload):
    """Every number anywhere in these bytes as JSON, and the numbers of its texts."""
    try:
        # Some C programs end a text with a NUL.
        nodes = [json.loads(payload.decode("utf-8-sig").rstrip("\0"))]
    except (ValueError, RecursionError):
        return {1.0, 0.0} & {{"ON": 1.0, "OFF": 0.0}.get(payload.decode(errors="replace").strip())}
    numbers = set()
    while nodes:
        each = nodes.pop()
        if isinstance(each, dict | list):
            nodes += each.values() if isinstance(each, dict) else each
        elif isinstance(each, int | float):
            with suppress(OverflowError):
                numbers.add(float(each))
        else:
            numbers.add({"ON": 1.0, "OFF": 0.0}.get(each))
    return numbers


@pytest.mark.parametrize("topic", ["plain", "json"])
@fuzzing
@given(document=documents.map(lambda each: json.dumps(each).encode()) | odd, seed=seeds)
def test_no_text_raises_or_becomes_a_value_that_is_not_in_it(topic, document, seed):
    mine, random = reader(), Random(seed)
    for variant in range(VARIANTS if len(document) < 1000 else 2):
        payload = edited(document, random) if variant else document
        if good := read(mine, topic, payload):
            allowed = numbers_in(payload)
            sums = {"senml"} if b'"bv"' in payload else set()
            assert all(value in allowed for name, value, _ in good if name not in sums)


# Sparkplug -------------------------------------------------------------------------------------


VARINT, FIXED_64, BYTES, GROUP, GROUP_END, FIXED_32 = range(6)


class Cursor:
    """Reads a message's bytes; ValueError where they are no message."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def varint(self):
        number = 0
        for shift in range(0, 64, 7):
            (byte,) = self.some(1)
            number |= (byte & 127) << shift
            if byte < 128:
                return number & 2**64 - 1
        raise ValueError("no varint")

    def some(self, count):
        if self.at + count > len(self.body):
            raise ValueError("too short")
        self.at += count
        return self.body[self.at - count : self.at]

    def content(self, kind):
        if kind == VARINT:
            return self.varint()
        if kind > FIXED_32:
            raise ValueError("unknown wire type")
        return self.some({FIXED_64: 8, FIXED_32: 4}.get(kind) or self.varint())


def fields(body):
    """A second decoder: (number, wire type, content) of each field; ValueError if it is no message.

    Groups, which no field of Sparkplug is, are skipped.
    """
    cursor, groups = Cursor(body), []
    while cursor.at < len(body):
        number, kind = divmod(cursor.varint(), 8)
        if kind == GROUP:
            groups.append(number)
        elif kind == GROUP_END:
            if not groups or groups.pop() != number:
                raise ValueError("no group ends here")
        else:
            content = cursor.content(kind)
            if not groups:
                yield number, kind, content
    if groups:
        raise ValueError("a group has no end")


def numbers_of(body):
    """Every number that the metrics of a payload may mean."""
    numbers = set()
    for number, kind, content in fields(body):
        if (number, kind) == (2, BYTES):
            for inner, kind_of_inner, value in fields(content):
                numbers |= interpretations(inner, kind_of_inner, value)
    return numbers


def interpretations(number, kind, content):
    if number in (10, 11, 14) and kind == VARINT:
        bits = {content % 2**width for width in (8, 16, 32, 64)} | {content}
        signed = {each - 2**width for each in bits for width in (8, 16, 32, 64)}
        return {float(each) for each in bits | signed | {int(content != 0)}}
    if (number, kind) == (12, FIXED_32):
        return set(struct.unpack("<f", content))
    if (number, kind) == (13, FIXED_64):
        return set(struct.unpack("<d", content))
    return {3.0} if (number, kind, content) == (15, BYTES, b"AUTO") else set()


@pytest.mark.parametrize(
    "behind",
    [
        b"\x53\x54",  # a group without fields, which protobuf once had
        b"\x53\x08\x01\x5b\x5c\x54",  # another group within it
        b"\x15\x12\x02\x08\x01",  # field 2 as four bytes: not a metric
    ],
)
def test_the_second_decoder_skips_what_is_no_field_of_sparkplug(behind):
    birth = sparkplug.payload(sparkplug.metric("flow", 2.5, DOUBLE), at=10**12, seq=0)
    assert 2.5 in numbers_of(birth + behind)
    assert read(reader(), TOPICS[3], birth + behind) == [("flow", 2.5, Quality.GOOD)]
    follow([(TOPICS[3], birth + behind, False)])


values = {
    DOUBLE: st.floats(width=64),
    INT32: st.integers(-(2**31), 2**31 - 1),
    INT64: st.integers(-(2**63), 2**63 - 1),
    BOOLEAN: st.booleans(),
    STRING: st.sampled_from(["AUTO", "1", "x"]),
}
metrics = st.sampled_from(list(values)).flatmap(
    lambda datatype: st.builds(
        sparkplug.metric,
        st.sampled_from(["flow", "count", "mode", "bdSeq", "other", None]),
        st.none() | values[datatype],
        st.just(datatype),
        alias=st.none() | st.integers(0, 3),
        at=st.none() | st.integers(0, 2**64 - 1),
        typed=st.booleans(),
        historical=st.booleans(),
        quality=st.none() | st.sampled_from([0, 64, 192, 500, 2**31]),
    )
)
payloads = st.builds(
    lambda some, at, seq: sparkplug.payload(*some, at=at, seq=seq),
    st.lists(metrics, max_size=4),
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**64 - 1) | st.integers(0, 5),
)
messages = st.lists(
    st.tuples(st.sampled_from(TOPICS[3:]), payloads | st.binary(max_size=200), st.booleans()),
    min_size=1,
    max_size=6,
)


@fuzzing
@given(messages=messages, seed=seeds)
def test_no_sparkplug_payload_raises_or_becomes_a_value_that_is_not_in_it(messages, seed):
    random = Random(seed)
    for _ in range(VARIANTS):
        follow([(topic, edited(body, random), old) for topic, body, old in messages])


def follow(messages):
    mine, ever = reader(), set()
    for topic, body, retained in messages:
        samples_read = read(mine, topic, body, retained=retained)
        try:
            now = numbers_of(body)
        except ValueError:
            now = set()
        ever |= now
        for _, value, quality in samples_read:
            # An uncertain value was sent once; a good one is in this message.
            assert value in (now if quality == Quality.GOOD else ever)


# Topics and packets ----------------------------------------------------------------------------

topics = st.text(max_size=40) | st.lists(
    st.sampled_from(["spBv1.0", "g", "n", "d", "NDATA", "DDATA", "STATE", "", "+", "#", "\0", "ü"]),
    max_size=7,
).map("/".join)


@fuzzing
@given(topic=topics | st.sampled_from(TOPICS), payload=st.binary(max_size=60), seed=seeds)
def test_no_topic_raises(topic, payload, seed):
    random, box = Random(seed), ReceiveQueue(lambda _topic: 1)
    for _ in range(VARIANTS):
        damaged = edited(topic.encode(errors="replace"), random).decode(errors="replace")
        named = SimpleNamespace(value=damaged)
        box.put_nowait(SimpleNamespace(topic=named, payload=payload, retain=0))
    arrivals = box.batch(box.get_nowait())
    batch = reader().batch(arrivals)
    samples(batch)
    mine = [each for each in arrivals if each.topic in TOPICS]
    assert batch.unmatched <= VARIANTS - len(mine)


class Broker:
    """Accepts every connection, then sends what the test wants, which no real broker would."""

    def __init__(self):
        self.sends, self.talks = b"", []

    async def serve(self, reader, writer):
        self.talks.append(writer)
        try:
            await reader.read(4096)  # CONNECT
            writer.write(b"\x20\x02\0\0")
            subscribe = await reader.read(4096)
            writer.write(b"\x90\x04" + subscribe[2:4] + b"\1\1" + self.sends)
            await writer.drain()
        except (ConnectionError, IndexError):
            pass
        finally:
            writer.close()


@pytest.fixture(scope="module")
def runner():
    failures, broker = [], Broker()
    with asyncio.Runner() as running:
        running.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        server = running.run(asyncio.start_server(broker.serve, "127.0.0.1", 0))
        yield running, failures, broker, server.sockets[0].getsockname()[1]
        server.close()


async def session(port):
    """All values until SourceLost ends the session."""
    given = {"type": "mqtt", "host": "127.0.0.1", "port": port}
    tags = {"a": {"topic": "a", "path": ""}, "b": {"topic": "b"}}
    options = MqttOptions.model_validate(given | {"tags": tags, "keepalive": "1s"})
    received = []
    try:
        async with MqttConnector("m", options, [], Places(None, None)).open() as batches:
            async for batch in batches:
                received += batch.value.tolist()
    except SourceLost:
        return received
    pytest.fail("the session did not end")


def packet(kind, body):
    return bytes([kind]) + sparkplug.varint(len(body)) + body


publish = st.builds(
    lambda kind, topic, rest: packet(kind, len(topic).to_bytes(2, "big") + topic + rest),
    st.integers(0x30, 0x3F),
    st.sampled_from([b"a", b"b", b"\xff\xfe", b"a/+", b"", b"a\0"]),
    st.binary(max_size=20) | st.just(b"\0\1") | st.just(b"1.5"),
)
others = st.builds(packet, st.integers(0, 255), st.binary(max_size=10))


@settings(fuzzing, max_examples=max(FRAMES // 10, 30))
@given(some=st.lists(publish | others | st.binary(max_size=20), max_size=4), seed=seeds)
def test_no_packet_of_a_broker_raises_anything_but_source_lost(runner, some, seed):
    running, failures, broker, port = runner
    broker.sends = edited(b"".join(some), Random(seed))
    for value in running.run(session(port)):
        assert math.isnan(value) or repr(value).removesuffix(".0").encode() in broker.sends
    assert failures == []


def test_correct_messages_are_values_here_too(runner):
    running, _, broker, port = runner
    assert read(reader(), "plain", b"1.5") == [("plain", 1.5, Quality.GOOD)]
    document = b'{"value": 2, "a": [{"b": 3}], "at": 5, "q": "ok", "state": "ON"}'
    assert {name: value for name, value, _ in read(reader(), "json", document)} == {
        "value": 2,
        "deep": 3,
        "ms": 2,
        "judged": 2,
        "state": 1,
        "samples": 2,  # an object is a list of one
    }
    birth = sparkplug.payload(sparkplug.metric("flow", 2.5, DOUBLE), at=10**12, seq=0)
    assert read(reader(), TOPICS[3], birth) == [("flow", 2.5, Quality.GOOD)]
    broker.sends = packet(0x30, b"\0\1a1.5")
    assert running.run(session(port)) == [1.5]
