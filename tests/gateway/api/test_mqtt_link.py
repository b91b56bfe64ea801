import asyncio
import contextlib
import gc
import threading

import aiomqtt
import pytest
from hostile_peers import hostile
from mqtt_members import ACCEPTED, at_once, connected, greeted, in_place_of
from mqtt_wire import UNSUBSCRIBE, publish
from patience import PATIENCE

from gateway.api.mqtt_link import MqttLink, quiet_logger

MOST = 10_000


def link_to(port, **options):
    options = {"timeout": PATIENCE, "logger": quiet_logger()} | options
    return MqttLink(aiomqtt.Client("127.0.0.1", port, **options), MOST)


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def failure(talk, within=PATIENCE, **options):
    """The error of connecting, and the link afterwards."""
    async with hostile({"it": talk}) as peers:
        link = link_to(peers["it"].port, **options)
        try:
            await link.connect(within)
        except (aiomqtt.MqttError, TimeoutError) as error:
            # Whoever hears the end of the connection at the other side is gone too.
            await until(lambda: not peers["it"].tasks)
            return error, link
    pytest.fail("it was accepted")


async def test_a_connection_is_opened_and_closed():
    async with hostile({"it": greeted()}) as peers:
        link = link_to(peers["it"].port)
        await link.connect(PATIENCE)
        await link.disconnect()
        assert link.ended.done()
        assert link.why == ""
        await until(lambda: not peers["it"].tasks)


async def test_a_broker_that_is_silent_leaves_no_socket_behind():
    error, link = await failure(at_once(), within=0.2)
    assert isinstance(error, TimeoutError)
    assert link._paho.socket() is None


async def test_a_handshake_that_drips_leaves_no_thread_behind(caplog):
    before = threading.active_count()
    talk = at_once(*[b"H"] * 1000, pause=0.05)
    error, _ = await failure(talk, within=0.3, transport="websockets")
    assert isinstance(error, TimeoutError)
    pool = asyncio.get_running_loop()._default_executor
    await until(lambda: pool is None or pool._idle_semaphore._value == len(pool._threads))
    assert threading.active_count() <= before + 1
    gc.collect()
    assert caplog.records == []


async def test_a_broker_that_accepts_and_closes_in_one_go_leaves_nothing_behind(caplog):
    async def talk(reader, writer):
        await reader.read(100)
        writer.write(ACCEPTED)
        writer.close()

    for _ in range(5):
        async with hostile({"it": talk}) as peers:
            link = link_to(peers["it"].port)
            with contextlib.suppress(aiomqtt.MqttError):
                await link.connect(PATIENCE)
                await until(link.ended.done)
            await link.disconnect()
            assert link._paho.socket() is None
    gc.collect()
    assert caplog.records == []


async def test_a_broker_that_announces_too_much_is_left_before_it_has_accepted():
    error, link = await failure(connected(b"\x20\xff\xff\xff\x7f", bytes(1000)))
    assert str(error) == link.why == "the broker announces 268 MB where MQTT needs a few bytes"


@pytest.mark.parametrize("accept", [b"Sec-WebSocket-Accept", b"Sec-WebSocket-Accept: \xff"])
async def test_a_malformed_handshake_of_a_websocket_is_an_error_of_mqtt(accept):
    head = b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n" + accept + b"\r\n\r\n"
    error, _ = await failure(at_once(head), transport="websockets")
    assert str(error) == "the websocket's handshake is malformed"


async def test_a_call_fails_as_soon_as_the_connection_ends():
    talk = in_place_of(UNSUBSCRIBE, publish("a", length=1_000_000))
    async with hostile({"it": talk}) as peers:
        link = link_to(peers["it"].port)
        await link.connect(PATIENCE)
        async with asyncio.timeout(PATIENCE / 2):  # long before its own time-out
            with pytest.raises(aiomqtt.MqttError):
                await link.while_connected(link.client.unsubscribe("x"))
        assert link.too_long == "a"
        await link.disconnect()
        assert link._paho.socket() is None
