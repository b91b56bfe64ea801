"""Devices that close the connection by themselves: every tag keeps its period, and it is said."""

import asyncio
import contextlib
import re
from collections import Counter

import pytest
from odd_modbus import odd_device
from patience import PATIENCE

from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TAGS = {"a": {"address": 3}, "v": {"address": 100, "data_type": "float32"}}
RIGHT = {0: 31.0, 1: 230.5}


def right(asked):
    return [asked.tcp()]


def after(count, how="close"):
    """Closes after so many answers of a connection."""
    return lambda asked: [asked.tcp(), how] if asked.number >= count else [asked.tcp()]


def instead_of(number, how="close"):
    """Closes instead of the answer to this request of a connection."""
    return lambda asked: [how] if asked.number >= number else [asked.tcp()]


KINDS = {
    "FIN after each answer": (after(1), {}, "after each answer"),
    "RST after each answer": (after(1, "reset"), {}, "after each answer"),
    "FIN a little later": (lambda asked: [asked.tcp(), 0.03, "close"], {}, "after each answer"),
    "FIN after two answers": (after(2), {}, "after 2 answers"),
    "RST after three answers": (after(3, "reset"), {}, "after 3 answers"),
    "FIN after five answers": (after(5), {}, "after 5 answers"),
    "FIN instead of the second answer": (instead_of(2), {}, "after each answer"),
    "RST instead of the second answer": (instead_of(2, "reset"), {}, "after each answer"),
    "RST instead of the third answer": (instead_of(3, "reset"), {}, "after 2 answers"),
    "half an answer, then FIN": (
        lambda asked: [asked.tcp()[:8], "close"] if asked.number > 1 else [asked.tcp()],
        {},
        "after each answer",
    ),
    "one connection, free after 100 ms": (after(1), {"refuse_s": 0.1}, "after each answer"),
    "one connection, free after 400 ms": (after(1), {"refuse_s": 0.4}, "after each answer"),
}


async def collect(reader, enough):
    """Good values by tag of one session, until each tag has so many."""
    got = Counter()
    async with reader.open() as batches, asyncio.timeout(PATIENCE):
        async for batch in batches:
            for tag, value, quality in zip(batch.tag, batch.value, batch.quality, strict=True):
                assert quality == Quality.GOOD, batch.reasons
                assert value == RIGHT[int(tag)]
                got[int(tag)] += 1
            if len(got) == 2 and min(got.values()) >= enough:
                return got
    raise AssertionError(got)


@pytest.mark.parametrize("kind", KINDS)
async def test_both_tags_are_read_in_one_session_and_the_habit_is_said_once(
    connector, events, kind
):
    answer, options, says = KINDS[kind]
    async with odd_device(answer, **options) as device:
        reader = connector(device.port, TAGS, period="60ms")
        got = await collect(reader, 4 if device.refuse_s else 12)
        assert abs(got[0] - got[1]) <= 2
        assert len(reader.diagnostics) == 1
        assert f"the device closes the connection {says}: reconnecting" in reader.diagnostics[0]
    said = [event for event in events if event["event"] == "modbus.device_deviates"]
    assert len(said) == 1
    assert len(events) <= 4, events  # the habit, one closing before, and a missed slot


async def test_after_it_is_learned_no_request_is_lost_in_a_closing_connection(connector):
    async with odd_device(instead_of(2)) as device:
        reader = connector(device.port, TAGS, period="60ms")
        async with reader.open() as batches:
            while not reader.diagnostics:
                await anext(batches)
            device.asked.clear()
            for _ in range(20):
                await anext(batches)
        assert {asked.number for asked in device.asked} == {1}


async def test_a_device_that_closes_idle_connections_is_reopened_when_needed(connector, events):
    async with odd_device(right, idle_s=0.15) as device:
        reader = connector(device.port, TAGS, period="400ms")
        await collect(reader, 5)
        assert device.connections >= 4
        (said,) = reader.diagnostics
        assert re.fullmatch(
            r"the device closes a connection that is idle for 0\.[12] s: "
            "reconnecting when it is needed",
            said,
        )


async def test_a_device_that_loses_its_habit_is_trusted_again(connector, events):
    closes = [True]
    async with odd_device(lambda a: [a.tcp(), "close"] if closes[0] else [a.tcp()]) as device:
        reader = connector(device.port, TAGS, period="10ms")
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            while not reader.diagnostics:
                await anext(batches)
            closes[0] = False
            while reader.diagnostics:
                await anext(batches)
            before = device.connections
            for _ in range(20):
                await anext(batches)
            assert device.connections == before
    assert [e["event"] for e in events].count("modbus.device_conforms") == 1


async def test_a_unit_that_closes_the_connection_is_parked_and_starves_no_other(connector, events):
    def answer(asked):
        return ["close"] if asked.unit == 2 else [asked.tcp()]

    tags = {"one": {"address": 3}, "two": {"address": 3, "unit_id": 2}}
    async with odd_device(answer) as device:
        reader = connector(device.port, tags, period="50ms", park_after=3, park_for="1h")
        good, reasons = 0, set()
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            while good < 30:
                batch = await anext(batches)
                good += int(batch.tag[0] == 0 and batch.quality[0] == Quality.GOOD)
                reasons |= set(batch.reasons.values())
    assert reasons == {
        "connection closed by the peer",
        "connection closed by the peer; unit 2 is parked and tried again every 1h",
    }
    assert "modbus.unit_parked" in {event["event"] for event in events}
    assert len([asked for asked in device.asked if asked.unit == 2]) <= 6


async def test_sessions_that_end_after_one_answer_still_serve_every_request(connector):
    """A device that needs longer than andon waits for it: what waited is first the next time."""
    tags = {"a": {"address": 3}, "b": {"address": 600, "period": "10s"}, "c": {"address": 1200}}
    async with odd_device(after(1), refuse_s=1.3) as device:
        reader = connector(device.port, tags, period="50ms", timeout="200ms")
        got = set()
        async with asyncio.timeout(PATIENCE):
            while len(got) < 3:
                with contextlib.suppress(SourceLost):
                    async with reader.open() as batches:
                        async for batch in batches:
                            got |= set(batch.tag[batch.quality == 0].tolist())
                await asyncio.sleep(0.2)
        assert len(device.asked) <= 6


async def test_a_device_that_never_answers_is_not_asked_again(connector):
    async with odd_device(lambda _: ["close"]) as device:
        reader = connector(device.port, TAGS)
        async with reader.open() as batches:
            with pytest.raises(SourceLost, match="connection closed by the peer"):
                await anext(batches)
        assert len(device.asked) == 1


async def test_rtu_over_tcp_is_flushed_before_a_request_is_sent_again(connector):
    """A serial server may deliver the answer to the lost request on the new connection."""
    late = []

    def answer(asked):
        if asked.function != 3:
            return [*late, asked.rtu(bytes([asked.function | 0x80, 1]))]
        if asked.number == 3:
            late[:] = [asked.rtu(bytes([3, 2, 0xDE, 0xAD]))]
            return ["close"]
        return [asked.rtu()]

    async with odd_device(answer, is_rtu=True) as device:
        tags = {"a": {"address": 3}, "b": {"address": 600}}
        reader = connector(device.port, tags, period="40ms", transport="rtu_over_tcp")
        async with reader.open() as batches, asyncio.timeout(PATIENCE):
            for _ in range(12):
                batch = await anext(batches)
                assert batch.value[0] == {0: 31, 1: 6001}[int(batch.tag[0])]
        assert {asked.function for asked in device.asked} > {3}
