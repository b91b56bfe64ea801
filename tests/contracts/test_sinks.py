"""Every registered sink passes the suite that the wheel ships."""

import asyncio
import contextlib
import json

import aiomqtt
import pytest
import servers
import sparkplug
from aiohttp import web
from fake_influx import LyingInflux
from mail_server import MailServer
from patience import PATIENCE

from gateway.api.line_protocol import decode
from gateway.api.testing import SinkContract, SinkHarness
from gateway.config import plugins
from gateway.sinks.alert_news import key_of
from gateway.sinks.file import iso
from gateway.sinks.webhook_payload import payload

HOST = "127.0.0.1"
NAMES = sorted(plugins.installed(plugins.SINKS))


class InfluxHarness(SinkHarness):
    """The server that lies in other tests, held here to what an honest one does."""

    refused = b"poison,site=s x=1 1700000000000000000"

    def __init__(self, _places):
        self.port, self.server = servers.free_port(), LyingInflux(seed=0, share=0.0)
        self.options = {"type": "influx", "url": f"http://{HOST}:{self.port}", "bucket": "lines"}
        self._running = contextlib.AsyncExitStack()

    async def start(self):
        await self._running.enter_async_context(self.server.serving(self.port))

    async def stop(self):
        await self._running.aclose()

    async def stored(self):
        return self.server.lines


class FileHarness(SinkHarness):
    """A file; where its folder is a file, nothing can be written."""

    options = {"type": "file", "path": "out/points.jsonl"}
    refused = b"not line protocol"

    def __init__(self, places):
        self._folder, self._aside = places.state / "out", places.state / "aside"
        self._path = self._folder / "points.jsonl"
        self._folder.touch()

    async def start(self):
        self._folder.unlink()
        if self._aside.exists():
            self._aside.rename(self._folder)

    async def stop(self):
        if self._folder.is_file():
            return
        if self._folder.exists():
            self._folder.rename(self._aside)
        self._folder.touch()

    async def stored(self):
        if not self._path.is_file():
            return []
        return [json.loads(row) for row in self._path.read_text().splitlines()]

    def expect(self, body):
        point = decode(body)
        return {
            "time": iso(point.at),
            "measurement": point.measurement,
            "tags": point.tags,
            "fields": point.fields,
        }


class MqttHarness(SinkHarness):
    """A broker, and a client that has subscribed to all of its topics."""

    refused = b"not line protocol"

    def __init__(self, places):
        self._broker = servers.mosquitto(places.config)
        self.options = {"type": "mqtt", "host": HOST, "port": self._broker.port, "timeout": "5s"}
        self._received = []
        self._running = contextlib.AsyncExitStack()

    async def start(self):
        self._broker.start()
        client = await self._running.enter_async_context(aiomqtt.Client(HOST, self._broker.port))
        await client.subscribe("#", qos=1)
        listening = asyncio.create_task(self._listen(client))
        self._running.callback(listening.cancel)

    async def _listen(self, client):
        async for message in client.messages:
            self.receive(message.topic.value, message.payload)

    def receive(self, topic, payload):
        """Events are what was written; states and status follow from them."""
        if topic.endswith("/events"):
            self._received.append((topic, json.loads(payload)))

    async def stop(self):
        await self._running.aclose()
        self._broker.stop()

    async def stored(self):
        return self._received

    def expect(self, body):
        point = decode(body)
        key = f"{point.fields['id']}/{point.fields['transition']}/{point.at}"
        said = {"version": 1, "key": key, "time": iso(point.at)}
        return "andon/s/l/alarms/events", {**said, **point.tags, **point.fields}


class SparkplugHarness(MqttHarness):
    """The same broker; a host that decodes the data of the edge node."""

    def __init__(self, places):
        super().__init__(places)
        self.options = {**self.options, "payload": "sparkplug"}

    def receive(self, topic, payload):
        if topic == "spBv1.0/s/DDATA/l/andon":
            for name, metric in sparkplug.decoded(payload)["metrics"].items():
                if name.endswith("/state"):
                    key = metric["properties"]["key"]
                    self._received.append((name, metric["value"], metric["timestamp"], key))

    def expect(self, body):
        point = decode(body)
        fields = point.fields
        key = f"{fields['id']}/{fields['transition']}/{point.at}"
        name = f"alarms/{point.tags['detector']}/{fields['alarm']}/state"
        return name, fields["state"], point.at // 10**6, key


def key(body):
    point = decode(body)
    return key_of({**point.tags, **point.fields}, point.at, body)


class NotifyHarness(SinkHarness):
    """A mail server; a mail is known by its key."""

    refused = b"not line protocol"

    def __init__(self, places):
        self._server = MailServer()
        address = places.state / "shift"
        address.write_text(self._server.url())
        self.options = {"type": "notify", "targets": {"shift": {"apprise": f"${{file:{address}}}"}}}

    async def start(self):
        await self._server.start()

    async def stop(self):
        await self._server.stop()

    async def stored(self):
        return self._server.mails.keys

    def expect(self, body):
        return key(body)


class WebhookHarness(SinkHarness):
    """A web server that keeps what is posted."""

    refused = b"not line protocol"

    def __init__(self, _places):
        self._port, self._posted = servers.free_port(), []
        self.options = {"type": "webhook", "url": f"http://{HOST}:{self._port}/alarms"}
        self._runner = None

    async def _post(self, request):
        self._posted.append(await request.json())
        return web.Response(status=204)

    async def start(self):
        app = web.Application()
        app.router.add_post("/alarms", self._post)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def stop(self):
        if self._runner is not None:
            await self._runner.cleanup()

    async def stored(self):
        return self._posted

    def expect(self, body):
        return payload(decode(body), key(body))


HARNESSES = {
    "file": FileHarness,
    "influx": InfluxHarness,
    "mqtt": MqttHarness,
    "notify": NotifyHarness,
    "webhook": WebhookHarness,
}


class TestSinks(SinkContract):
    within = PATIENCE

    @pytest.fixture(params=NAMES)
    def harness(self, request, places):
        assert request.param in HARNESSES, f"{request.param!r} needs a harness in this file"
        return HARNESSES[request.param](places)


class TestSparkplug(SinkContract):
    """The other form of one of these sinks."""

    within = PATIENCE

    @pytest.fixture
    def harness(self, places):
        return SparkplugHarness(places)


def test_the_built_in_sinks_are_registered_like_any_other():
    assert {"file", "influx", "mqtt", "notify", "webhook"} <= set(NAMES)
