"""MQTT over websockets, through a server of another author in front of a real broker."""

import asyncio
import gc
import signal
import subprocess

import foreign
import pytest
import servers
from patience import PATIENCE
from pydantic import ValidationError

from connectors.mqtt import MqttOptions
from connectors.mqtt import client as mqtt_client
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

TAGS = {"t": {"topic": "t", "path": "", "period": "1s"}}
WEBSOCKETS = {"transport": "websockets"}
# After a failed handshake the library leaves its socket to the garbage collector.
LEAVES_A_SOCKET = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(params=["3.1.1", 5])
def protocol(request):
    return request.param


async def test_values_arrive_through_a_websocket(bridge, connector, publish, samples, protocol):
    source = connector(bridge.port, TAGS, protocol=protocol, **WEBSOCKETS)
    async with source.open() as batches:
        await publish(*(("t", str(n)) for n in range(50)), ("t", " " * 70_000 + "7"))
        rows, _ = await samples(batches, 51)
    assert [row[1] for row in rows] == [*range(50), 7]
    assert {row[2] for row in rows} == {Quality.GOOD}
    assert (await source.probe()).ok


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGTERM])
async def test_a_websocket_that_ends_is_lost_and_read_again_when_it_is_back(
    bridge, connector, publish, samples, fault
):
    source = connector(bridge.port, TAGS, path="/mqtt", **WEBSOCKETS)
    async with source.open() as batches:
        await publish(("t", "1"))
        await samples(batches, 1)
        bridge.signal(fault)
        with pytest.raises(SourceLost, match=f"127.0.0.1:{bridge.port}: "):
            async with asyncio.timeout(PATIENCE):
                await anext(batches)
    bridge.process.wait()
    with pytest.raises(SourceLost, match="refused"):
        async with source.open():
            pytest.fail("no server is listening")
    bridge.start()
    async with source.open() as batches:
        await publish(("t", "2"))
        rows, _ = await samples(batches, 1)
    assert rows[0][1] == 2


async def test_a_broker_that_stops_behind_the_websocket_is_lost(
    broker, bridge, connector, publish, samples
):
    async with connector(bridge.port, TAGS, **WEBSOCKETS).open() as batches:
        await publish(("t", "1"))
        await samples(batches, 1)
        broker.stop()
        with pytest.raises(SourceLost):
            async with asyncio.timeout(PATIENCE):
                await anext(batches)


@pytest.mark.parametrize("frozen", ["bridge", "broker"])
async def test_a_frozen_websocket_or_broker_is_noticed_by_its_silence(
    bridge, broker, connector, monkeypatch, frozen
):
    async with connector(bridge.port, TAGS, **WEBSOCKETS).open() as batches:
        monkeypatch.setattr(mqtt_client, "_PING_S", 0.5)
        {"bridge": bridge, "broker": broker}[frozen].signal(signal.SIGSTOP)
        with pytest.raises(SourceLost, match=r"no response within 0\.5s"):
            async with asyncio.timeout(PATIENCE):
                await anext(batches)


@LEAVES_A_SOCKET
@pytest.mark.parametrize("where", ["another path", "a broker without websockets"])
async def test_a_port_without_a_websocket_is_named_with_what_to_check(
    bridge, broker, connector, where
):
    port, path = (bridge.port, "/ws") if where == "another path" else (broker.port, None)
    message = f"there is no websocket for MQTT at {path or '/mqtt'}: check `port`, `path`"
    with pytest.raises(SourceLost, match=message):
        async with connector(port, TAGS, path=path, **WEBSOCKETS).open():
            pytest.fail("there is none")
    await asyncio.sleep(0)
    gc.collect()


async def test_a_websocket_that_is_read_without_them_gets_a_hint(bridge, connector):
    with pytest.raises(SourceLost, match="`transport: websockets`"):
        async with connector(bridge.port, TAGS).open():
            pytest.fail("it speaks HTTP")


@LEAVES_A_SOCKET
async def test_an_encrypted_websocket_is_read_and_its_certificate_checked(
    broker, connector, publish, samples, tmp_path
):
    make = [servers.program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    make += ["-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, "-keyout", "key.pem", "-out", "ca.pem"], cwd=tmp_path, check=True)
    files = [str(tmp_path / name) for name in ("ca.pem", "key.pem")]
    script = "websocket_bridge.js"
    with foreign.node_server(tmp_path, script, str(broker.port), *files) as bridge:
        trusting = {"config": tmp_path, "tls": {"ca": "ca.pem"}}
        async with connector(bridge.port, TAGS, **trusting, **WEBSOCKETS).open() as batches:
            await publish(("t", "1"))
            rows, _ = await samples(batches, 1)
        assert rows[0][1] == 1
        with pytest.raises(SourceLost, match="certificate verify failed"):
            async with connector(bridge.port, TAGS, tls={}, **WEBSOCKETS).open():
                pytest.fail("not an authority of the system")
    await asyncio.sleep(0)
    gc.collect()


def options(**given):
    tags = {"t": {"topic": "t"}}
    return MqttOptions.model_validate({"type": "mqtt", "host": "h", "tags": tags} | given)


def test_the_port_follows_from_transport_and_encryption():
    ports = [
        options(**given).resolved_port
        for given in ({}, {"tls": {}}, WEBSOCKETS, WEBSOCKETS | {"tls": {}}, {"port": 9001})
    ]
    assert ports == [1883, 8883, 80, 443, 9001]


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"path": "/mqtt"}, "path", "add `transport: websockets`"),
        (WEBSOCKETS | {"path": "mqtt"}, "path", "match pattern"),
        (WEBSOCKETS | {"path": "/a b"}, "path", "match pattern"),
        ({"transport": "ws"}, "transport", "'tcp' or 'websockets'"),
        (
            {"host": "wss://broker:8084/mqtt"},
            "host",
            "host: broker, port: 8084, transport: websockets, path: /mqtt, tls: {}",
        ),
        ({"host": "ws://broker"}, "host", "host: broker, transport: websockets"),
        ({"host": "mqtts://broker:8883"}, "host", "host: broker, port: 8883, tls: {}"),
    ],
)
def test_a_wrong_setting_is_refused_at_its_field(given, field, message):
    with pytest.raises(ValidationError) as caught:
        options(**given)
    errors = {error["loc"][0]: error["msg"] for error in caught.value.errors()}
    assert message in errors[field]


async def test_a_name_that_cannot_be_resolved_is_named(connector):
    source = connector(1883, TAGS)
    source.options = source.options.model_copy(update={"host": "broker-1.invalid"})
    with pytest.raises(SourceLost, match=r"the name broker-1\.invalid cannot be resolved"):
        async with source.open():
            pytest.fail("there is no such name")
