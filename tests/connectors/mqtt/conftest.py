"""A real broker, a publisher, and connectors for it."""

import asyncio
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import foreign
import pytest
import servers
from patience import PATIENCE

from connectors.mqtt import MqttConnector, MqttOptions
from connectors.mqtt import client as mqtt_client
from gateway.api.contracts import Places

HOST = "127.0.0.1"


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path) as server:
        yield server


@pytest.fixture
def encrypted_broker(tmp_path):
    """Accepts TLS only, with a self-signed certificate."""
    make = [servers.program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    make += ["-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, "-keyout", "key.pem", "-out", "ca.pem"], cwd=tmp_path, check=True)
    files = f"certfile {tmp_path / 'ca.pem'}\nkeyfile {tmp_path / 'key.pem'}"
    with servers.mosquitto(tmp_path, f"user root\n{files}") as server:
        yield server


@pytest.fixture
def bridge(broker, tmp_path):
    """A websocket in front of the broker; it is at /mqtt."""
    folder = tmp_path / "bridge"
    folder.mkdir()
    with foreign.node_server(folder, "websocket_bridge.js", str(broker.port)) as server:
        yield server


@pytest.fixture(autouse=True)
def _brokers_may_be_slow(monkeypatch):
    monkeypatch.setattr(mqtt_client, "TIMEOUT_S", PATIENCE)
    monkeypatch.setattr(mqtt_client, "_PING_S", PATIENCE)


@pytest.fixture
def connector():
    """Builds a connector for a port on loopback from the options of a line file."""

    def build(port, tags, config=None, **options):
        given = {"type": "mqtt", "host": HOST, "port": port, "tags": tags, "keepalive": "60s"}
        valid = MqttOptions.model_validate(given | options)
        declared = MqttConnector.declared_tags("broker", valid)
        return MqttConnector("broker", valid, declared, Places(config or Path(), Path()))

    return build


@pytest.fixture
def publish(broker):
    """`await publish((topic, payload), ..., retain=False)` returns when the broker has them."""

    async def send(*messages, retain=False):
        async with aiomqtt.Client(HOST, broker.port, timeout=PATIENCE) as client:
            for topic, payload in messages:
                await client.publish(topic, payload, qos=1, retain=retain)

    return send


@pytest.fixture
def samples():
    """`await samples(batches, n)`: at least n samples as (tag, value, quality, at), and batches."""

    async def take(batches, count):
        rows, taken = [], []
        async with asyncio.timeout(PATIENCE):
            while len(rows) < count:
                batch = await anext(batches)
                taken.append(batch)
                columns = (batch.tag, batch.value, batch.quality, batch.at)
                rows += zip(*(column.tolist() for column in columns), strict=True)
        return rows, taken

    return take


@pytest.fixture
def accepting():
    """`async with accepting(*responses) as port`: sends one response to each request in turn."""

    @asynccontextmanager
    async def serve(*responses):
        talks = []

        async def hold(reader, writer):
            talks.append(writer)
            for response in responses:
                await reader.read(4096)
                writer.write(response)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(hold, HOST, 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            async with asyncio.timeout(PATIENCE):
                for writer in talks:
                    await writer.wait_closed()

    return serve
