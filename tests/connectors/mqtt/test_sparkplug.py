"""A real edge node through a real broker."""

import asyncio

import servers
import sparkplug
from patience import PATIENCE
from sparkplug import DOUBLE, INT32, edge_node

from gateway.api.model import Quality

GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
TAGS = {
    "flow": {"sparkplug": "plant/edge", "metric": "Line/Flow", "low": 0},
    "speed": {"sparkplug": "plant/edge/+", "metric": "Speed", "levels": {"pump": "pump-1"}},
    "ambient": {"topic": "plant/ambient", "path": ""},
}


def shown(rows):
    return [(tag, value, quality) for tag, value, quality, _ in rows]


async def test_births_data_and_deaths_of_a_node_and_its_device(broker, connector, publish, samples):
    async with connector(broker.port, TAGS).open() as batches:
        async with edge_node(broker.port) as node:
            before = sparkplug.now_ms() * 10**6
            await node.birth(sparkplug.metric("Line/Flow", 2.5, DOUBLE, alias=1))
            await node.say("DBIRTH", sparkplug.metric("Speed", -7, INT32, alias=2), device="pump-1")
            rows, _ = await samples(batches, 2)
            assert shown(rows) == [(0, 2.5, GOOD), (1, -7, GOOD)]
            assert before <= rows[0][3] <= sparkplug.now_ms() * 10**6
            await node.say("NDATA", sparkplug.metric(None, 3.5, DOUBLE, alias=1, typed=False))
            await publish(("plant/ambient", b"21"))
            rows, _ = await samples(batches, 2)
            assert sorted(shown(rows)) == [(0, 3.5, GOOD), (2, 21, GOOD)]
            await node.say("DDEATH", device="pump-1")
            rows, _ = await samples(batches, 1)
            assert [(row[0], row[2]) for row in rows] == [(1, BAD)]
        rows, _ = await samples(batches, 2)
    assert [(row[0], row[2]) for row in rows] == [(0, BAD), (1, BAD)]


async def test_a_lost_message_makes_the_last_values_uncertain(broker, connector, samples):
    async with connector(broker.port, TAGS).open() as batches, edge_node(broker.port) as node:
        await node.birth(sparkplug.metric("Line/Flow", 2.5, DOUBLE))
        await samples(batches, 1)
        node.lose()
        await node.say("DDATA", sparkplug.metric("Speed", 8, INT32), device="pump-1")
        rows, _ = await samples(batches, 2)
    assert shown(rows) == [(0, 2.5, UNCERTAIN), (1, 8, GOOD)]


async def test_an_edge_node_that_is_killed_is_dead_by_its_last_will(broker, connector, samples):
    async with connector(broker.port, TAGS).open() as batches, edge_node(broker.port) as node:
        await node.birth(sparkplug.metric("Line/Flow", 2.5, DOUBLE))
        await samples(batches, 1)
        node.kill()
        rows, _ = await samples(batches, 2)
    assert [(row[0], row[2]) for row in rows] == [(0, BAD), (1, BAD)]


async def test_births_that_an_aware_broker_keeps_are_known_from_the_start(
    broker, connector, publish, samples
):
    birth = sparkplug.payload(
        sparkplug.metric("Line/Flow", 1.0, DOUBLE, alias=1), at=sparkplug.now_ms(), seq=0
    )
    await publish(("$sparkplug/certificates/spBv1.0/plant/NBIRTH/edge", birth), retain=True)
    source = connector(broker.port, TAGS, sparkplug_aware=True)
    async with source.open() as batches, edge_node(broker.port) as node:
        rows, _ = await samples(batches, 1)
        assert shown(rows) == [(0, 1, GOOD)]  # younger than the tag's period
        node.seq = 41
        await node.say("NDATA", sparkplug.metric(None, 3.5, DOUBLE, alias=1, typed=False))
        rows, _ = await samples(batches, 1)
    assert shown(rows) == [(0, 3.5, GOOD)]


async def test_nothing_is_sent_to_edge_node_or_host(tmp_path, connector, samples, events):
    """Neither a rebirth request where it would help, nor a STATE: only subscriptions."""
    with servers.mosquitto(tmp_path, "log_type all") as broker:
        source = connector(broker.port, TAGS, primary_host="scada")
        async with source.open() as batches, edge_node(broker.port) as node:
            await node.say("NDATA", sparkplug.metric(None, 3.5, DOUBLE, alias=1))
            node.lose()
            await node.say("NDATA", sparkplug.metric("Line/Flow", 3.5, DOUBLE))
            await node._client.publish("spBv1.0/STATE/scada", b'{"online": false}')
            await samples(batches, 1)
            async with asyncio.timeout(PATIENCE):
                while "sparkplug.host_offline" not in [event["event"] for event in events]:
                    await asyncio.wait([asyncio.ensure_future(anext(batches))])
    log = (tmp_path / "server.log").read_text()
    assert "sparkplug.aliases_unknown" in [event["event"] for event in events]
    assert "Received SUBSCRIBE from andon-" in log
    assert "Received PUBLISH from andon" not in log
    assert "NCMD" not in log
