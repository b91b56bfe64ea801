import asyncio
import gc
import json
import signal
import time
from contextlib import asynccontextmanager

import aiomqtt
import foreign
import pytest
import servers
from patience import PATIENCE
from proxy import Proxy

from gateway.api.contracts import Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import reporting_to
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.api.options import Secret
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_options import MqttSinkOptions

EVENTS = "andon/demo/skid/alarms/events"
PLACES = Places(None, None, "demo", "skid")
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
    sink = MqttSink("panel", options, PLACES)
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
        await client.subscribe(EVENTS, qos=1)
        yield aiter(client.messages)


def test_only_alerts_are_accepted():
    assert MqttSink.accepts == {Kind.ALERT}


async def test_alerts_arrive_on_their_topic_over_one_connection(broker):
    async with listening(broker) as messages, opened(broker.port) as sink:
        sent = await sink.write([ALERT, ALERT])
        link = sink._link
        await sink.write([ALERT])
        assert sink._link is link
        messages_received = await received(messages, 3)
    assert {str(message.topic) for message in messages_received} == {EVENTS}
    assert {message.qos for message in messages_received} == {1}
    assert json.loads(messages_received[0].payload)["cause"] == "vibration_de 5.1 mm/s"
    status = len("andon/demo/skid/status") + len("online")
    assert sent == status + 2 * (len(EVENTS) + len(messages_received[0].payload))


async def test_the_connection_and_each_acknowledgement_are_progress(broker):
    steps = []
    async with opened(broker.port) as sink:
        with reporting_to(lambda: steps.append(1)):
            await sink.write([ALERT, ALERT])
    assert len(steps) == 4  # the status, the connection, two transitions


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


async def test_a_connection_that_the_broker_dropped_while_idle_is_no_call_for_a_human(broker):
    async with opened(broker.port) as sink:
        await sink.ping()
        await asyncio.to_thread(broker.stop)
        with pytest.raises(SinkUnavailable, match=r"127\.0\.0\.1") as caught:
            await sink.ping()
        assert not caught.value.needs_human
        with pytest.raises(SinkUnavailable, match="refused") as caught:
            await sink.write([ALERT])
        assert not caught.value.needs_human
        await asyncio.to_thread(broker.start)
        await sink.ping()


async def test_a_connection_that_broke_unnoticed_is_replaced_for_the_next_alert(broker):
    async with opened(broker.port) as sink:
        await sink.write([ALERT])
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        async with listening(broker) as messages:
            assert sink._link is not None
            await until(sink._link.ended.done)
            await sink.write([ALERT])
            await received(messages, 1)


async def test_the_end_of_a_sink_whose_broker_is_gone_leaves_no_error_behind(broker, caplog):
    async with opened(broker.port) as sink:
        await sink.ping()
        await asyncio.to_thread(broker.stop)
        await until(sink._link.ended.done)
    gc.collect()
    assert caplog.records == []


async def test_a_lost_publication_is_no_refused_login(broker, monkeypatch):
    async with opened(broker.port) as sink:
        await sink.write([ALERT])
        await asyncio.to_thread(broker.stop)
        monkeypatch.setattr(sink, "_connected", lambda: _immediately(sink._link))
        await until(sink._link.ended.done)
        with pytest.raises(SinkUnavailable, match="the connection to the broker was lost") as lost:
            await sink.write([ALERT])
    assert not lost.value.needs_human


async def _immediately(value):
    return value


@pytest.mark.parametrize("fault", ["frozen", "half-open", "black hole"])
async def test_a_broker_that_does_not_respond_is_known_within_the_keepalive(broker, fault):
    async with Proxy(broker.port) as proxy, opened(proxy.port, keepalive="2s") as sink:
        await sink.ping()
        if fault == "frozen":
            broker.signal(signal.SIGSTOP)
        elif fault == "half-open":
            proxy.forget()
        else:
            proxy.hold()
        began = time.monotonic()
        with pytest.raises(SinkUnavailable, match="does not respond") as caught:
            await sink.ping()
        # Long before the time limit of a publication, which is PATIENCE here.
        assert time.monotonic() - began < PATIENCE / 2
        assert not caught.value.needs_human


async def test_alerts_go_through_a_websocket_and_its_loss_is_known(broker, tmp_path):
    folder = tmp_path / "bridge"
    folder.mkdir()
    script, port = "websocket_bridge.js", str(broker.port)
    with foreign.node_server(folder, script, port) as bridge:
        websockets = {"transport": "websockets", "path": "/mqtt", "keepalive": "2s"}
        async with opened(bridge.port, **websockets) as sink, listening(broker) as messages:
            assert (await sink.probe()).ok
            await sink.write([ALERT])
            (message,) = await received(messages, 1)
            assert json.loads(message.payload)["id"] == "a-1"
            bridge.signal(signal.SIGSTOP)
            with pytest.raises(SinkUnavailable, match="does not respond"):
                await sink.ping()
            bridge.stop()
            with pytest.raises(SinkUnavailable, match="refused"):
                await sink.write([ALERT])
            await asyncio.to_thread(bridge.start)
            await sink.write([ALERT])
            await received(messages, 1)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_port_without_a_websocket_and_a_name_without_an_address_are_named(broker):
    async with opened(broker.port, transport="websockets") as sink:
        with pytest.raises(SinkUnavailable, match="there is no websocket for MQTT at /mqtt"):
            await sink.ping()
    options = MqttSinkOptions(host="broker-1.invalid")
    sink = MqttSink("panel", options, Places(None, None))
    with pytest.raises(SinkUnavailable, match=r"the name broker-1\.invalid cannot be resolved"):
        await sink.ping()
    gc.collect()


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
