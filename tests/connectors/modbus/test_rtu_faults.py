"""RTU against devices that respond late, twice, for others or wrongly: no value is ever shifted."""

import asyncio
import struct

import numpy as np
import pytest
from patience import PATIENCE

from connectors.modbus.framing import ascii_frame, rtu_frame
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TAGS = {"a": {"address": 10}, "b": {"address": 500}, "c": {"address": 1000}}
RIGHT = {0: 10, 1: 500, 2: 1000}
FRAMES = {"rtu_over_tcp": rtu_frame, "ascii_over_tcp": ascii_frame}


class Device:
    """Every register holds its own address; `respond(unit, pdu)` lists delays and bytes to send.

    Responses are sent in the order of the requests, as from any device that does one thing at a
    time.
    """

    def __init__(self, transport):
        self.frame = FRAMES[transport]
        self.is_ascii = transport == "ascii_over_tcp"
        self.respond = lambda unit, pdu: [(0, self.correct(unit, pdu))]
        self.requests = []
        self.writer = None
        self.free_at = 0.0

    def correct(self, unit, pdu):
        function, address, count = struct.unpack(">BHH", pdu)
        if function < 3:
            return self.frame(unit, bytes([function | 0x80, 1]))
        registers = b"".join(struct.pack(">H", address + i) for i in range(count))
        return self.frame(unit, bytes([function, 2 * count]) + registers)

    async def talk(self, reader, writer):
        self.writer = writer
        loop = asyncio.get_running_loop()
        try:
            while True:
                if self.is_ascii:
                    body = bytes.fromhex((await reader.readuntil(b"\r\n"))[1:-2].decode())
                    unit, pdu = body[0], body[1:-1]
                else:
                    frame = await reader.readexactly(8)
                    unit, pdu = frame[0], frame[1:6]
                self.requests.append((unit, pdu[0]))
                for delay, data in self.respond(unit, pdu):
                    # A late response goes to the current connection, as with serial servers.
                    self.free_at = max(self.free_at + 0.0005, loop.time() + delay)
                    loop.call_at(self.free_at, lambda data=data: self.writer.write(data))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture(params=sorted(FRAMES))
def transport(request):
    return request.param


@pytest.fixture
async def device(transport):
    device, talks = Device(transport), set()
    server = await asyncio.start_server(
        lambda r, w: talks.add(asyncio.ensure_future(device.talk(r, w))), "127.0.0.1", 0
    )
    device.port = server.sockets[0].getsockname()[1]
    yield device
    server.close()
    await asyncio.wait_for(asyncio.gather(*talks), PATIENCE)
    await server.wait_closed()


@pytest.fixture
def reader(connector, device, transport):
    return connector(device.port, TAGS, transport=transport, timeout="60ms", period="20ms")


async def collect(reader, count, sessions=40):
    """Good values by tag over as many sessions as it takes, reopened as the gateway does."""
    got = []
    for _ in range(sessions):
        try:
            async with reader.open() as batches:
                async for batch in batches:
                    for tag, value, quality in zip(
                        batch.tag, batch.value, batch.quality, strict=True
                    ):
                        assert np.isnan(value) == (quality == Quality.BAD)
                        if quality == Quality.GOOD:
                            got.append((int(tag), float(value)))
                    if len(got) >= count:
                        return got
        except SourceLost:
            await asyncio.sleep(0.02)
    return got


async def test_correct_responses_arrive(reader):
    got = await collect(reader, 9)
    assert dict(got) == RIGHT


@pytest.mark.parametrize("lateness", [0.07, 0.1])
async def test_late_responses_are_never_values_of_the_next_request(device, reader, lateness):
    """Every third response is late, to any request: it reaches the next connection."""
    count = 0

    def sometimes_late(unit, pdu):
        nonlocal count
        count += 1
        return [(lateness if count % 3 == 0 else 0, device.correct(unit, pdu))]

    device.respond = sometimes_late
    got = await collect(reader, 8, sessions=40)
    assert got
    assert all(RIGHT[tag] == value for tag, value in got)
    assert {3} < {function for _, function in device.requests} <= {1, 2, 3, 4}  # it was flushed


async def test_a_duplicate_within_the_pause_does_not_shift_what_follows(
    connector, device, transport
):
    options = {"transport": transport, "timeout": "60ms", "pause": "12ms"}
    reader = connector(device.port, TAGS, **options)
    device.respond = lambda unit, pdu: [
        (0, device.correct(unit, pdu)),
        (0.002, device.correct(unit, pdu)),
    ]
    got = await collect(reader, 6)
    assert got
    assert all(RIGHT[tag] == value for tag, value in got)


@pytest.mark.parametrize("delay", [0.02, 0.05])
async def test_duplicates_that_come_later_than_the_pause_shift_nothing(
    connector, device, transport, delay, events
):
    reader = connector(device.port, TAGS, transport=transport)
    device.respond = lambda unit, pdu: [
        (0, device.correct(unit, pdu)),
        (delay, device.correct(unit, pdu)),
    ]
    got = await collect(reader, 30)
    assert len(got) >= 30
    assert all(RIGHT[tag] == value for tag, value in got)
    duplicates = [event for event in events if event["event"] == "modbus.duplicate_responses"]
    assert [event["unit"] for event in duplicates] == [1]
    assert {function for _, function in device.requests} == {3}  # no flush was needed


async def test_a_unit_that_returns_after_ten_timeouts_needs_no_flush(device, reader):
    """For a device that sends nothing at all to a function it does not have."""
    is_on = False

    def respond(unit, pdu):
        return [(0, device.correct(unit, pdu))] if is_on and pdu[0] == 3 else []

    device.respond = respond
    assert await collect(reader, 1, sessions=2) == []
    is_on = True
    got = await collect(reader, 3, sessions=60)
    assert dict(got) == RIGHT


def changed(frame, at, by):
    return frame[:at] + bytes([frame[at] ^ by]) + frame[at + 1 :]


WRONG = {
    "short": (lambda d, u, p: d.frame(u, bytes([3, 0])), "an answer to function|0 bytes of data"),
    "long": (
        lambda d, u, p: d.frame(u, bytes([3, 4, 0, 1, 0, 2])),
        "4 bytes of data came instead of 2",
    ),
    "length byte too large": (lambda d, u, p: d.frame(u, bytes([3, 4, 0, 1])), "part of|2 bytes"),
    "another function": (
        lambda d, u, p: d.frame(u, bytes([4, 2, 0, 1])),
        "an answer to function 4 came for function 3",
    ),
    "another unit": (
        lambda d, u, p: d.frame(u + 1, bytes([3, 2, 0, 1])),
        "unit 2 answered for unit 1$",
    ),
    "unit 255": (
        lambda d, u, p: d.frame(255, bytes([3, 2, 0, 1])),
        r"unit 255 answered for unit 1 \(`tolerate: \[unit_id\]` would accept it\)",
    ),
    "exception of another function": (
        lambda d, u, p: d.frame(u, bytes([0x84, 2])),
        "an exception to function 4 came for function 3",
    ),
    "half": (lambda d, u, p: d.correct(u, p)[:4], "only part of an answer came"),
    "wrong checksum": (lambda d, u, p: changed(d.correct(u, p), 5, 1), "a wrong checksum"),
    "garbage": (
        lambda d, u, p: b"\xfe\x03garbage" * 3,
        "bytes that are no|only part|wrong checksum",
    ),
    "two responses at once": (
        lambda d, u, p: d.correct(u, p) + d.frame(u, bytes([3, 2, 0, 1])),
        "more than one answer came",
    ),
    "garbage behind": (
        lambda d, u, p: d.correct(u, p) + b"\x01",
        "a stray byte 01 after the answer",
    ),
    "our own request": (lambda d, u, p: d.frame(u, p), "our own request came back"),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_a_wrong_response_is_not_a_value_and_is_named(connector, device, transport, fault):
    reader = connector(device.port, TAGS, transport=transport, timeout="300ms")
    answer, why = WRONG[fault]
    device.respond = lambda unit, pdu: [(0, answer(device, unit, pdu))]
    async with reader.open() as batches:
        with pytest.raises(
            SourceLost, match=rf"no valid response from unit 1 within 300ms: .*({why})"
        ):
            await anext(batches)


async def test_a_device_exception_marks_just_its_tags(connector, device, transport):
    reader = connector(device.port, TAGS, transport=transport)

    def respond(unit, pdu):
        address = int.from_bytes(pdu[1:3], "big")
        refused = device.frame(unit, bytes([pdu[0] | 0x80, 4]))
        return [(0, refused if address == 500 else device.correct(unit, pdu))]

    device.respond = respond
    async with reader.open() as batches:
        got = [await anext(batches) for _ in range(6)]
    quality = {int(batch.tag[0]): int(batch.quality[0]) for batch in got}
    assert quality == {0: Quality.GOOD, 1: Quality.BAD, 2: Quality.GOOD}


async def test_zeros_from_a_change_of_direction_are_not_part_of_a_response(device, reader):
    device.respond = lambda unit, pdu: [(0, b"\0" + device.correct(unit, pdu))]
    assert dict(await collect(reader, 9)) == RIGHT
