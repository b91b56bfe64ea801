"""Blocks that a device refuses: read in parts, and whole again when it serves them again."""

import asyncio

import pytest
from odd_modbus import odd_device, register
from patience import PATIENCE

from connectors.modbus import splits
from gateway.api.model import Quality

TAGS = {f"t{at}": {"address": at} for at in range(8)}


class Refusing:
    """Refuses blocks that hold one of `bad`, with an exception, while `is_on`."""

    def __init__(self, code, bad):
        self.code, self.bad, self.is_on = code, set(bad), True
        self.spans = []

    def __call__(self, asked):
        span = range(asked.address, asked.address + asked.count)
        self.spans.append((asked.address, asked.count))
        if self.is_on and self.bad & set(span):
            return [asked.tcp(bytes([asked.function | 0x80, self.code]))]
        return [asked.tcp()]


async def read(batches, slots=1, enough=8):
    """Value by tag, or the reason, after so many samples of every tag."""
    got, counts = {}, dict.fromkeys(range(enough), 0)
    async with asyncio.timeout(PATIENCE):
        while min(counts.values()) < slots:
            batch = await anext(batches)
            for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                counts[int(tag)] += 1
                good = quality == Quality.GOOD
                got[int(tag)] = float(value) if good else batch.reasons[int(tag)]
    return got


NAMES = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still busy with it",
    6: "device busy",
    7: "negative acknowledgement",
    8: "memory parity error",
}
PERSISTENT = [(code, bad) for code in (1, 2, 3, 4, 5, 6, 7, 8) for bad in ((0,), (3,), (7,))]


@pytest.mark.parametrize(("code", "bad"), [*PERSISTENT, (2, (1, 6)), (4, (0, 3, 7)), (99, (5,))])
async def test_one_refused_register_costs_only_its_own_tag(connector, code, bad):
    device = Refusing(code, bad)
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="10ms")
        async with reader.open() as batches:
            got = await read(batches, slots=6)
        wanted = {at: float(register(at)) for at in range(8) if at not in bad}
        name = f"exception {code}, {NAMES[code]}" if code in NAMES else f"exception {code}"
        assert got == wanted | dict.fromkeys(bad, name)
        assert len(reader.requests) > 1


@pytest.mark.parametrize("code", [10, 11])
async def test_what_a_gateway_says_of_a_unit_splits_no_block(connector, code):
    device = Refusing(code, (3,))
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="10ms")
        async with reader.open() as batches:
            got = await read(batches, slots=6)
    assert set(got.values()) <= {
        "exception 10, gateway has no path to the unit",
        "exception 11, gateway got no response from the unit",
    }
    assert set(device.spans) == {(0, 8)}


@pytest.mark.parametrize("code", [5, 6])
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_device_that_is_busy_for_a_moment_is_asked_no_more_often(connector, code, times):
    left = [None] * times

    def answer(asked):
        spans.append((asked.address, asked.count))
        if left:
            left.pop()
            return [asked.tcp(bytes([asked.function | 0x80, code]))]
        return [asked.tcp()]

    spans = []
    async with odd_device(answer) as plc:
        reader = connector(plc.port, TAGS, period="10ms")
        async with reader.open() as batches:
            got = await read(batches, slots=times + 2)
    assert got == {at: float(register(at)) for at in range(8)}
    assert set(spans) == {(0, 8)}


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("bad", [(0,), (3,), (7,), (2, 5)])
async def test_the_block_is_read_in_one_again_when_its_register_has_recovered(
    connector, events, code, bad
):
    device = Refusing(code, bad)
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="5ms")
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            await read(batches, slots=6)
            assert len(reader.requests) > 1
            device.is_on = False
            while len(reader.requests) > 1:
                await anext(batches)
            device.spans.clear()
            got = await read(batches, slots=5)
    assert got == {at: float(register(at)) for at in range(8)}
    assert set(device.spans) == {(0, 8)}
    names = [event["event"] for event in events]
    assert names.count("modbus.request_joined") == 1


async def test_of_two_refused_registers_the_one_that_recovers_rejoins_its_neighbours(connector):
    device = Refusing(2, (1, 6))
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="5ms")
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            await read(batches, slots=3)
            before = len(reader.requests)
            device.bad = {6}
            while len(reader.requests) >= before:
                await anext(batches)
            assert len(reader.requests) < before
            got = await read(batches, slots=2)
    wanted = {at: float(register(at)) for at in range(8)}
    assert got == wanted | {6: "exception 2, illegal data address"}


async def test_a_gap_that_stays_unreadable_costs_one_request_in_thirty_slots_and_then_less(
    connector,
):
    device = Refusing(2, (4,))
    tags = {"a": {"address": 0}, "b": {"address": 8}}
    async with odd_device(device) as plc:
        reader = connector(plc.port, tags, period="4ms")
        async with reader.open() as batches:
            await read(batches, slots=200, enough=2)
    whole = device.spans.count((0, 9))
    # At first, after 30 slots, and after 60 and 120 more.
    assert 2 <= whole <= 4
    assert len(device.spans) <= 2 * 205 + 4


async def test_a_register_that_stays_refused_never_costs_another_request(connector):
    device = Refusing(2, (3,))
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="4ms")
        async with reader.open() as batches:
            await read(batches, slots=3 * splits.FIRST)
    assert device.spans.count((0, 8)) == 1


async def test_the_block_stays_joined_in_the_next_session(connector):
    device = Refusing(4, (3,))
    async with odd_device(device) as plc:
        reader = connector(plc.port, TAGS, period="5ms")
        async with reader.open() as batches:
            await read(batches, slots=2)
        device.is_on = False
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            while len(reader.requests) > 1:
                await anext(batches)
        async with reader.open() as batches:
            assert await read(batches) == {at: float(register(at)) for at in range(8)}
    assert len(reader.requests) == 1
