import asyncio
import json
from contextlib import asynccontextmanager

import aiomqtt
import pytest
import servers
from patience import PATIENCE
from pydantic import ValidationError

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.api.options import Secret
from gateway.sinks.mqtt import MqttSink, MqttSinkOptions, to_message

AT = 1_700_000_000_000_000_001
POINT = Point(
    "andon_alert",
    {"site": "demo", "line": "skid", "detector": "pump", "severity": "high"},
    {"id": "a-1", "active": True, "value": 7.5, "cause": "vibration_de 5.1 mm/s"},
    AT,
)
ALERT = Envelope(Kind.ALERT, AT, encode(POINT))


@asynccontextmanager
async def opened(port, **options):
    options = MqttSinkOptions(host="127.0.0.1", port=port, timeout=f"{PATIENCE}s", **options)
    sink = MqttSink("panel", options, Places(None, None))
    async with sink.open():
        yield sink


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path) as server:
        yield server


async def received(messages, count):
    async with asyncio.timeout(PATIENCE):
        return [await anext(messages) for _ in range(count)]


@asynccontextmanager
async def listening(broker):
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("#", qos=1)
        yield aiter(client.messages)


def test_an_alert_is_one_flat_json_object():
    topic, payload = to_message(POINT, "andon/{site}/{line}/{detector}/{severity}")
    assert topic == "andon/demo/skid/pump/high"
    assert json.loads(payload) == {
        "time": "2023-11-14T22:13:20.000000001Z",
        **POINT.tags,
        **POINT.fields,
    }


def test_a_name_cannot_add_a_level_or_a_wildcard_to_the_topic():
    point = Point("andon_alert", {"site": "a/b+#", "line": "l"}, {"x": 1}, 1)
    assert to_message(point, "andon/{site}/{line}")[0] == "andon/a_b__/l"


@pytest.mark.parametrize(
    "topic", ["", "andon/#", "a/+/b", "andon/{tag}", "andon/{}", "a/{site!r}", "a/{site:9}", "a/{"]
)
def test_a_topic_that_cannot_be_published_to_is_refused(topic):
    with pytest.raises(ValidationError):
        MqttSinkOptions(host="h", topic=topic)


def test_only_alerts_are_accepted():
    assert MqttSink.accepts == {Kind.ALERT}


def test_the_port_follows_from_encryption():
    ports = [
        MqttSink("p", MqttSinkOptions(host="h", **options), Places(None, None))._port
        for options in ({}, {"tls": True}, {"tls": True, "port": 1})
    ]
    assert ports == [1883, 8883, 1]


async def test_alerts_arrive_on_their_topic_over_one_connection(broker):
    async with listening(broker) as messages, opened(broker.port) as sink:
        sent = await sink.write([ALERT, ALERT])
        client = sink._client
        await sink.write([ALERT])
        assert sink._client is client
        messages_received = await received(messages, 3)
    assert {str(message.topic) for message in messages_received} == {"andon/demo/skid/alerts"}
    assert {message.qos for message in messages_received} == {1}
    assert json.loads(messages_received[0].payload)["cause"] == "vibration_de 5.1 mm/s"
    assert sent == 2 * (len("andon/demo/skid/alerts") + len(messages_received[0].payload))


async def test_a_retained_alert_reaches_later_subscribers(broker):
    async with opened(broker.port, retain=True) as sink:
        await sink.write([ALERT])
    async with listening(broker) as messages:
        (message,) = await received(messages, 1)
    assert message.retain


async def test_a_lost_broker_is_unavailable_and_used_again_when_it_is_back(broker):
    async with opened(broker.port) as sink:
        await sink.write([ALERT])
        await asyncio.to_thread(broker.stop)
        with pytest.raises(SinkUnavailable, match=r"127\.0\.0\.1"):
            await sink.write([ALERT])
        with pytest.raises(SinkUnavailable):
            await sink.write([ALERT])
        await asyncio.to_thread(broker.start)
        async with listening(broker) as messages:
            await sink.write([ALERT])
            await received(messages, 1)


async def test_a_wrong_password_needs_a_human_and_is_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("MQTT_PASSWORD", "s3cret")
    # Without a list of passwords it refuses every login.
    with servers.mosquitto(tmp_path, "allow_anonymous false") as broker:
        login = {"username": "andon", "password": Secret("${env:MQTT_PASSWORD}")}
        async with opened(broker.port, **login) as sink:
            with pytest.raises(SinkUnavailable) as caught:
                await sink.write([ALERT])
            probe = await sink.probe()
    assert caught.value.needs_human
    assert not probe.ok
    assert "s3cret" not in str(caught.value) + probe.message


async def test_a_missing_password_needs_a_human(broker):
    login = {"username": "andon", "password": Secret("${env:ANDON_NO_SUCH_VARIABLE}")}
    async with opened(broker.port, **login) as sink:
        with pytest.raises(SinkUnavailable, match="ANDON_NO_SUCH_VARIABLE") as caught:
            await sink.write([ALERT])
    assert caught.value.needs_human


async def test_an_invalid_point_is_rejected_and_the_others_are_published(broker):
    async with listening(broker) as messages, opened(broker.port) as sink:
        with pytest.raises(SinkRejected) as caught:
            await sink.write([ALERT, Envelope(Kind.ALERT, 1, b"nonsense"), ALERT])
        await received(messages, 2)
    assert caught.value.which == (1,)


async def test_a_probe_checks_that_the_broker_is_reachable(broker):
    async with opened(broker.port) as sink:
        assert (await sink.probe()).ok
    async with opened(servers.free_port()) as sink:
        assert not (await sink.probe()).ok
