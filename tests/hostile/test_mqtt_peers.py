"""A broker that means harm, against the whole daemon: as a source, and as a sink."""

import asyncio
import json
from functools import partial

import aiomqtt
import foreign
import pytest
import servers
from hostile_peers import besieged, ended, few, groups, hostile, judge, quiet, until_each
from mqtt_members import (
    BOTH,
    MQTT_5,
    PAYLOADS,
    PUBACK,
    SUBACKS,
    WEBSOCKETS,
    in_place_of,
)
from mqtt_wire import PUBLISH, SUBSCRIBE, packet
from patience import PATIENCE

SOURCES = {
    **BOTH,
    **PAYLOADS,
    **{f"SUBACK: {name}": in_place_of(SUBSCRIBE, each) for name, each in SUBACKS.items()},
    **{f"MQTT 5: {name}": each for name, each in MQTT_5.items()},
    **{f"websocket: {name}": each for name, each in WEBSOCKETS.items()},
}
SINKS = {
    **BOTH,
    "never a PUBACK": in_place_of(PUBLISH),
    "a PUBACK for another": in_place_of(PUBLISH, packet(PUBACK, b"\xff\xff")),
    "a PUBACK of 16 KB": in_place_of(PUBLISH, packet(PUBACK, b"\0\1" + bytes(16_000))),
    "a PUBREC for an alert": in_place_of(PUBLISH, packet(0x50, b"\0\1")),
    "a SUBACK for an alert": in_place_of(PUBLISH, packet(0x90, b"\0\1\0")),
    "the alert comes back": in_place_of(PUBLISH, packet(0x30, b"\0\1a" + b"1")),
}
# Each of these gave way before.
ONCE_BAD = (
    "a kept message of 250 MB",
    "QoS 2 never released",
    "a topic with a wildcard",
    "half a million metrics",
    "a flood of what nobody asked for",
    "unasked SUBACKs",
)


def test_there_are_enough_of_them():
    assert len(SOURCES) >= 50
    assert len(SINKS) >= 50


def options_of(member):
    if member.startswith("websocket"):
        return "transport: websockets"
    return "protocol: 5" if member.startswith("MQTT 5") else "qos: 1"


def source(name, member, port):
    return f"""\
  {name}:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    keepalive: 2s
    {options_of(member)}
    tags:
      {name}-x: {{topic: plant/x, path: value, period: 1s}}
      {name}-giant: {{topic: plant/giant, path: value}}
      {name}-l: {{topic: plant/l, path: "[*].v", time_path: t, time_format: s}}
      {name}-s: {{topic: plant/s, format: senml, path: "[n=a].v", time_path: t, time_format: s}}
      {name}-t: {{topic: plant/t, path: value, time_path: t, time_format: s}}
      {name}-many:
        topic: plant/many/+
        levels: [{name}-a, {name}-b]
      {name}-rpm: {{sparkplug: g/n, metric: rpm}}
"""


def has_its_value(facts, name):
    """The source is up, and its tag has the value that the real broker keeps."""
    up = next(each["up"] for each in facts["sources"] if each["name"] == name)
    tag = next(each for each in facts["tags"] if each["tag"] == f"{name}-x")
    return up and tag["state"] == "fresh" and tag["value"] == 7.5


async def publish(broker):
    """The good value, every now and then."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        while True:
            await client.publish("plant/x", '{"value": 7.5}', qos=1)
            await asyncio.sleep(0.3)


@pytest.fixture
async def broker(tmp_path):
    with servers.mosquitto(tmp_path) as server:
        publishing = asyncio.create_task(publish(server))
        yield server
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


@pytest.fixture
def bridge(broker, tmp_path):
    """A websocket in front of the broker."""
    folder = tmp_path / "bridge"
    folder.mkdir()
    with foreign.node_server(folder, "websocket_bridge.js", str(broker.port)) as server:
        yield server


def has_all(names, facts):
    return all(has_its_value(facts, name) for name in names)


@pytest.mark.timeout(1800)
async def test_a_source_outlives_every_broker(tmp_path, broker, bridge):
    for n, names in enumerate(groups(SOURCES, ONCE_BAD)):
        folder = tmp_path / str(n)
        folder.mkdir()
        parts = {f"s{n}": name for n, name in enumerate(names)}
        async with hostile({name: SOURCES[name] for name in names}) as peers:
            text = "".join(source(part, name, peers[name].port) for part, name in parts.items())
            async with besieged(folder, sources=text) as daemon:
                await until_each(peers, lambda peer: peer.connections, daemon)
                await quiet(peers, daemon)
                for name, peer in peers.items():
                    peer.become_good((bridge if name.startswith("websocket") else broker).port)
                await daemon.until(partial(has_all, parts))
                said = await judge(daemon, parts)
                assert await ended(daemon) == 0
        assert few(said) == {}
        for name in set(names) & {"a message of 250 MB", "a kept message of 250 MB"}:
            (words,) = {each for each in said[name] if "plant/giant" in each}
            assert "a message on plant/giant has 250 MB, more than the 4.33 MB" in words
            assert "`max_payload` raises the limit" in words


def sink(name, port):
    return (
        f"  {name}: {{type: mqtt, host: 127.0.0.1, port: {port}, timeout: 2s, keepalive: 2s, "
        f"topic: alarms/{name}, retain: true}}\n"
    )


async def alerts_at(broker, count):
    """The alerts that a real broker keeps, by sink."""
    kept = {}
    async with aiomqtt.Client("127.0.0.1", broker.port) as client, asyncio.timeout(PATIENCE):
        await client.subscribe("alarms/#", qos=1)
        while len(kept) < count:
            message = await anext(client.messages)
            kept[message.topic.value.split("/")[1]] = json.loads(message.payload)
    return kept


@pytest.mark.timeout(1800)
async def test_a_sink_outlives_every_broker(tmp_path, broker):
    for n, names in enumerate(groups(SINKS, ONCE_BAD)):
        folder = tmp_path / str(n)
        folder.mkdir()
        parts = {f"s{n}": name for n, name in enumerate(names)}
        async with hostile({name: SINKS[name] for name in names}) as peers:
            text = "".join(sink(part, peers[name].port) for part, name in parts.items())
            async with besieged(folder, sinks=text) as daemon:
                await until_each(peers, lambda peer: peer.connections, daemon)
                await quiet(peers, daemon)
                for peer in peers.values():
                    peer.become_good(broker.port)
                alerts = await alerts_at(broker, len(parts))
                assert {alert["detector"] for alert in alerts.values()} == {"guard"}
                said = await judge(daemon, parts)
                assert await ended(daemon) == 0
        assert few(said) == {}
