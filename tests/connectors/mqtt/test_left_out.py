"""A message that is too long ends the connection once; its topic is left out, all others go on."""

import asyncio

import aiomqtt
import pytest
from patience import PATIENCE

from connectors.mqtt import connector as module
from connectors.mqtt.connection_errors import TooLong
from connectors.mqtt.left_out import LEFT_OUT_S, LeftOut
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.topics import plan_of

HOST = "127.0.0.1"


def test_a_topic_is_left_out_for_ten_minutes():
    left = LeftOut()
    assert left.first_end(0.0) is None
    assert left.add("a", 0.0)
    assert not left.add("a", 10.0)
    assert left.add("b", 20.0)
    assert left.topics(100.0) == ["a", "b"]
    assert left.first_end(100.0) == LEFT_OUT_S - 90.0
    assert left.topics(LEFT_OUT_S + 15.0) == ["b"]


def test_what_is_left_out_is_bounded():
    left = LeftOut()
    for number in range(1_000):
        left.add(str(number), float(number) / 100)
    assert len(left.topics(10.0)) == 100


def plan(**tags):
    return plan_of(MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags}))


def test_a_filter_that_covers_it_is_replaced_by_the_other_topics_that_have_a_tag():
    made = plan(t={"topic": "hall/+/t", "levels": ["a", "b", "c"]}, x={"topic": "other/x"})
    assert dict(made.subscriptions) == {"hall/+/t": 1, "other/x": 1}
    assert made.subscriptions_without(["hall/b/t"]) == {"hall/a/t": 1, "hall/c/t": 1, "other/x": 1}
    assert made.subscriptions_without(["other/x"]) == {"hall/+/t": 1}
    assert [field.tag for field in made.tags_of(["hall/b/t"])] == [1]


def test_without_a_message_of_an_edge_node_all_its_tags_are_bad():
    made = plan(n={"sparkplug": "g/n", "metric": "m"}, d={"sparkplug": "g/n/dev", "metric": "m"})
    kept = made.subscriptions_without(["spBv1.0/g/DBIRTH/n/dev"])
    assert "spBv1.0/g/NBIRTH/n" in kept
    assert "spBv1.0/g/DDATA/n/+" in kept
    assert not any(topic.startswith("spBv1.0/g/DBIRTH") for topic in kept)
    assert sorted(tag.tag for tag in made.tags_of(["spBv1.0/g/DBIRTH/n/dev"])) == [0, 1]


async def publish(broker, topic, payload):
    async with aiomqtt.Client(HOST, broker.port) as client:
        await client.publish(topic, payload, qos=1, retain=True)


async def read(source):
    async with asyncio.timeout(PATIENCE), source.open() as batches:
        async for _ in batches:
            pass


async def test_a_kept_giant_ends_one_connection_and_the_next_reads_the_other_topics(
    broker, connector
):
    await publish(broker, "plant/giant", bytes(300_000))
    source = connector(
        broker.port,
        {"g": {"topic": "plant/giant"}, "x": {"topic": "plant/x", "path": "value"}},
        max_payload="1KiB",
    )
    with pytest.raises(TooLong, match=r"a message on plant/giant has 0\.3 MB") as lost:
        await read(source)
    assert "`max_payload` raises the limit" in str(lost.value)
    async with asyncio.timeout(PATIENCE), source.open() as batches:
        first = await anext(batches)
        assert first.reasons == {0: "a message on its topic was too long (`max_payload`)"}
        await publish(broker, "plant/x", '{"value": 3}')
        second = await anext(batches)
        assert (second.tag.tolist(), second.value.tolist()) == ([1], [3.0])


async def test_the_topic_is_tried_again_when_its_time_is_over(broker, connector):
    source = connector(broker.port, {"g": {"topic": "plant/giant", "path": "value"}})
    source._left_out._until["plant/giant"] = module.time.monotonic() + 0.3
    async with asyncio.timeout(PATIENCE), source.open() as batches:
        bad = await anext(batches)
        assert bad.reasons
        async with aiomqtt.Client(HOST, broker.port) as client:
            reading = asyncio.ensure_future(anext(batches))
            while not reading.done():
                await client.publish("plant/giant", '{"value": 4}', qos=1)
                await asyncio.wait([reading], timeout=0.1)
        assert reading.result().value.tolist()[:1] == [4.0]
