"""A broker that refuses or closes a connection: the error, and the wait until the next attempt."""

import asyncio
import re

import aiomqtt
import pytest
import servers
from patience import PATIENCE
from proxy import Proxy

from gateway.api.contracts import ConfigError, SourceLost

HOST = "127.0.0.1"
TAGS = {"t": {"topic": "t"}}
# As root, mosquitto would switch to a user who cannot read the folder.
GUARDED = "user root\npassword_file {}\nallow_anonymous false"


async def lost(connector):
    """The error that ends a session, wherever it is raised."""
    try:
        async with asyncio.timeout(PATIENCE), connector.open() as batches:
            async for _ in batches:
                pass
    except (SourceLost, ConfigError) as error:
        return error
    pytest.fail("it was accepted")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"refuses us: not authorized \(anonymous: no `username` is set, client id andon-"),
        ({"protocol": 5}, r"refuses us: not authorized \(anonymous"),
        ({"username": "eve"}, r"\(user eve, client id"),
    ],
)
async def test_a_refused_login_is_a_config_error(tmp_path, connector, options, message):
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    with servers.mosquitto(tmp_path, GUARDED.format(passwords)) as broker:
        error = await lost(connector(broker.port, TAGS, **options))
    assert isinstance(error, ConfigError)
    assert re.search(message, str(error))


async def test_a_broker_that_accepts_no_more_clients_is_left_alone_for_a_while(broker, connector):
    # Mosquitto's own max_connections counts refused clients too.
    async with Proxy(broker.port) as proxy:
        proxy.limit = 0
        async with asyncio.timeout(PATIENCE / 2):  # long before the connection times out
            error = await lost(connector(proxy.port, TAGS))
    assert "closed the connection before responding: too many clients" in str(error)
    assert error.wait >= 3


async def test_a_client_id_that_is_not_accepted_is_named(tmp_path, connector):
    with servers.mosquitto(tmp_path, "clientid_prefixes sensor-") as broker:
        error = await lost(connector(broker.port, TAGS, client_id="andon-1"))
    assert isinstance(error, ConfigError)
    assert "client id andon-1" in str(error)


async def test_encryption_is_suggested_for_a_broker_that_requires_it(encrypted_broker, connector):
    error = await lost(connector(encrypted_broker.port, TAGS))
    assert "does it require `tls` or" in str(error)


@pytest.mark.parametrize("protocol", ["3.1.1", 5])
async def test_another_client_with_our_id_is_suspected(broker, connector, protocol):
    async def intrude():
        async with aiomqtt.Client(HOST, broker.port, identifier="andon-1"):
            pass

    ending = asyncio.ensure_future(
        lost(connector(broker.port, TAGS, client_id="andon-1", protocol=protocol))
    )
    while not ending.done():
        await intrude()
        await asyncio.wait([ending], timeout=0.2)
    assert "does another client use andon-1?" in str(await ending)


async def test_after_a_reported_takeover_we_wait_before_reconnecting(accepting, connector):
    welcome, taken_over = b"\x20\x03\0\0\0", b"\xe0\x02\x8e\0"
    async with accepting(welcome, taken_over) as port:
        error = await lost(connector(port, TAGS, client_id="andon-1", protocol=5))
    assert "another client has connected with the client id andon-1" in str(error)
    assert error.wait >= 5


@pytest.mark.parametrize(
    ("protocol", "packet", "kind", "message"),
    [
        ("3.1.1", b"\x20\x02\0\x04", ConfigError, "refuses the login"),
        ("3.1.1", b"\x20\x02\0\x02", ConfigError, "does not accept the client id"),
        ("3.1.1", b"\x20\x02\0\x03", SourceLost, "not available"),
        (5, b"\x20\x03\0\x84\0", ConfigError, 'try `protocol: "3.1.1"`'),
        (5, b"\x20\x03\0\x89\0", SourceLost, "is busy"),
        (5, b"\x20\x03\0\x97\0", SourceLost, "quota"),
        (5, b"\x20\x03\0\x9d\0", SourceLost, "server moved"),
    ],
)
async def test_each_refusal_has_a_readable_reason(
    accepting, connector, protocol, packet, kind, message
):
    async with accepting(packet) as port:
        error = await lost(connector(port, TAGS, protocol=protocol))
    assert type(error) is kind
    assert message in str(error)


async def test_a_network_that_swallows_everything_is_noticed_within_two_keepalives(
    broker, connector, samples, publish
):
    async with Proxy(broker.port) as proxy:
        source = connector(proxy.port, {"t": {"topic": "t", "path": ""}}, keepalive="2s")
        async with source.open() as batches:
            await publish(("t", b"1"))
            await samples(batches, 1)
            proxy.hold()
            with pytest.raises(SourceLost, match="the broker has not responded for 4s"):
                await asyncio.wait_for(anext(batches), PATIENCE)
        await proxy.heal()
        async with source.open() as batches:
            await publish(("t", b"2"))
            rows, _ = await samples(batches, 1)
    assert rows[0][1] == 2


async def test_a_link_that_is_cut_is_noticed_at_once(broker, connector):
    async with Proxy(broker.port) as proxy, connector(proxy.port, TAGS).open() as batches:
        proxy.reset()
        with pytest.raises(SourceLost, match="the connection was closed"):
            await asyncio.wait_for(anext(batches), PATIENCE / 2)


@pytest.mark.parametrize("protocol", ["3.1.1", 5])
async def test_on_the_wire_nothing_is_published_and_no_last_will_is_left(
    tmp_path, connector, samples, protocol
):
    kept = {"client_id": "andon-1", "session_expiry": "1h"}
    tags = {"t": {"topic": "t", "path": "v", "time_path": "at", "time_format": "s", "qos": 2}}
    with servers.mosquitto(tmp_path, "log_type all") as broker:
        source = connector(broker.port, tags, protocol=protocol, **kept)
        async with (
            source.open() as batches,
            aiomqtt.Client(HOST, broker.port, identifier="plc") as plc,
        ):
            await plc.publish("t", b'{"v": 1, "at": 1767268800}', qos=2, retain=True)
            await samples(batches, 1)
        assert (await source.probe()).ok
    log = (tmp_path / "server.log").read_text()
    assert "Received PUBLISH from plc" in log
    assert log.count("Received SUBSCRIBE from andon-") == 2
    assert "Received PUBLISH from andon" not in log
    assert log.count("No will message specified.") == 3
