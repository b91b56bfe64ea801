"""An edge node of another author, sparkplug-client, through a real broker."""

import asyncio
import math
import signal

import pytest
from foreign import node_client
from patience import PATIENCE

from gateway.api.model import Quality

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
TAGS = {
    "speed": {"sparkplug": "plant/edge/press", "metric": "Speed"},
    "level": {"sparkplug": "plant/edge/oven", "metric": "Level"},
    "flow": {"sparkplug": "plant/edge", "metric": "Line/Flow"},
}
SPEED, LEVEL, FLOW = range(3)
VALUES = {
    "Int8": -5,
    "Int16": -300,
    "Int32": -70000,
    "Int64": -5e9,
    "UInt8": 250,
    "UInt16": 65000,
    "UInt32": 4e9,
    "UInt64": 5e9,
    "Float": 1.5,
    "Double": 2.25,
    "Boolean": 1,
    "String": 21.5,
    "Text": 3,
}


class Last:
    """The last sample and reason of each tag, as they come."""

    def __init__(self, batches):
        self.batches, self.samples, self.reasons = batches, {}, {}

    async def until(self, fits):
        async with asyncio.timeout(PATIENCE):
            while not fits(self):
                batch = await anext(self.batches)
                rows = zip(
                    *(each.tolist() for each in (batch.tag, batch.value, batch.quality)),
                    strict=True,
                )
                for tag, value, quality in rows:
                    self.samples[tag] = value, quality
                    self.reasons.pop(tag, None)
                self.reasons |= batch.reasons
        return self

    def quality(self, tag):
        return self.samples.get(tag, (math.nan, None))[1]

    def value(self, tag):
        return self.samples.get(tag, (math.nan, None))[0]


def all_are(quality, *tags):
    return lambda last: all(last.quality(tag) == quality for tag in tags or range(3))


@pytest.fixture
def edge_node(broker, tmp_path):
    """`with edge_node() as process`: it runs until the end of the block."""
    return lambda: node_client(tmp_path, "sparkplug_node.js", broker.port)


async def test_births_and_data_by_name_and_by_alias_are_read(broker, connector, edge_node):
    async with connector(broker.port, TAGS).open() as batches:
        with edge_node():
            last = await Last(batches).until(all_are(GOOD))
            before = last.value(SPEED), last.value(LEVEL)
            await last.until(
                lambda last: (last.value(SPEED), last.value(LEVEL)) > (before[0] + 2, before[1] + 2)
            )
    assert last.value(FLOW) == 0.5
    assert last.reasons == {}


async def test_a_metric_of_every_type_is_read(broker, connector, edge_node):
    tags = {name: {"sparkplug": "plant/edge/oven", "metric": name} for name in VALUES}
    tags["String"]["text"] = "number"
    tags["Text"]["enumeration"] = {"AUTO": 3}
    others = {"Null": "null", "Poor": "quality 0, bad", "Stale": "quality 500, uncertain"}
    others["Missing"] = "no metric Missing in the birth"
    tags |= {name: {"sparkplug": "plant/edge/oven", "metric": name} for name in others}
    async with connector(broker.port, tags).open() as batches:
        with edge_node():
            last = await Last(batches).until(lambda last: len(last.samples) == len(tags))
    read = {name: last.value(at) for at, name in enumerate(tags) if name in VALUES}
    assert read == VALUES
    assert {name: last.reasons[at] for at, name in enumerate(tags) if name in others} == others


async def test_a_text_without_an_option_is_bad_with_its_reason(broker, connector, edge_node):
    tags = {"text": {"sparkplug": "plant/edge/oven", "metric": "String"}}
    async with connector(broker.port, tags).open() as batches:
        with edge_node():
            last = await Last(batches).until(all_are(BAD, 0))
    assert last.reasons == {0: "a number as text: `text: number` reads it"}


async def test_a_clean_death_of_device_and_node_is_bad_at_once(broker, connector, edge_node):
    async with connector(broker.port, TAGS).open() as batches:
        with edge_node() as process:
            last = await Last(batches).until(all_are(GOOD))
            process.send_signal(signal.SIGTERM)
            await last.until(all_are(BAD, SPEED))
            assert "plant/edge/press is dead" in last.reasons[SPEED]
            await last.until(all_are(BAD))
    assert last.reasons[FLOW] == "the edge node plant/edge is dead"


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_last_will_of_a_node_is_its_death_and_a_restart_its_birth(
    broker, connector, edge_node, fault
):
    async with connector(broker.port, TAGS).open() as batches:
        with edge_node() as process:
            last = await Last(batches).until(all_are(GOOD))
            process.send_signal(fault)
            await last.until(all_are(BAD))
            assert last.reasons[FLOW] == "the edge node plant/edge is dead"
        with edge_node():
            await last.until(all_are(GOOD))
    assert last.reasons == {}


async def test_a_missing_message_makes_values_uncertain_until_the_next_birth(
    broker, connector, edge_node, events
):
    async with connector(broker.port, TAGS).open() as batches:
        with edge_node() as process:
            last = await Last(batches).until(all_are(GOOD))
            process.send_signal(signal.SIGUSR2)
            # Sent by its alias, Level stays uncertain; Speed describes itself and is good again.
            await last.until(all_are(UNCERTAIN, LEVEL))
            await last.until(all_are(GOOD, SPEED))
            assert last.quality(LEVEL) == UNCERTAIN
            assert last.reasons[LEVEL].startswith("Sparkplug: messages were lost; uncertain until")
            process.send_signal(signal.SIGHUP)
            await last.until(all_are(GOOD))
    assert [event["event"] for event in events] == ["sparkplug.values_uncertain"]


async def test_many_births_and_the_wrap_of_the_sequence_lose_nothing(
    broker, connector, edge_node, events
):
    async with connector(broker.port, TAGS).open() as batches:
        with edge_node() as process:
            last = await Last(batches).until(all_are(GOOD))
            for _ in range(5):
                before = last.value(SPEED)
                process.send_signal(signal.SIGHUP)
                await last.until(lambda last, before=before: last.value(SPEED) > before + 1)
            # Two messages every 100 ms: after 256 of them the sequence begins anew.
            start = last.value(SPEED)
            await last.until(lambda last: last.value(SPEED) > start + 130)
            assert last.quality(LEVEL) == GOOD
    assert events == []


async def test_without_its_birth_an_alias_has_no_meaning_and_that_is_said(
    broker, connector, edge_node
):
    with edge_node() as process:
        async with connector(broker.port, TAGS).open() as batches:
            await Last(batches).until(all_are(GOOD))
        source = connector(broker.port, TAGS)
        async with source.open() as batches:
            last = await Last(batches).until(lambda last: last.quality(SPEED) == GOOD)
            await last.until(lambda _: bool(source.diagnostics))
            assert LEVEL not in last.samples
            assert source.diagnostics == [
                "the edge node plant/edge sends aliases, which have no meaning until its next birth"
            ]
            process.send_signal(signal.SIGHUP)
            await last.until(all_are(GOOD))
            assert source.diagnostics == []


async def test_a_broker_that_restarts_brings_the_node_back_by_a_new_birth(
    broker, connector, edge_node
):
    source = connector(broker.port, TAGS)
    with edge_node():
        async with source.open() as batches:
            await Last(batches).until(all_are(GOOD))
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        async with source.open() as batches:
            last = await Last(batches).until(all_are(GOOD))
    assert last.reasons == {}
