"""A broker that refuses, or throws out: what is said, and how soon it is tried again."""

import asyncio
import re

import aiomqtt
import pytest
import servers
from proxy import Proxy

from gateway.api.contracts import ConfigError, SourceLost

HOST = "127.0.0.1"
TAGS = {"t": {"topic": "t"}}
# As root, mosquitto would become somebody who cannot read the folder; others it ignores.
GUARDED = "user root\npassword_file {}\nallow_anonymous false"


async def lost(connector):
    """The error that ends a session, wherever it comes."""
    try:
        async with asyncio.timeout(20), connector.open() as batches:
            async for _ in batches:
                pass
    except (SourceLost, ConfigError) as error:
        return error
    pytest.fail("it was let in")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"refuses us: not authorized \(anonymous, no `username` is given, client id andon-"),
        ({"protocol": 5}, r"refuses us: not authorized \(anonymous"),
        ({"username": "eve"}, r"\(user eve, client id"),
    ],
)
async def test_a_refused_login_is_a_matter_for_a_human(tmp_path, connector, options, said):
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    with servers.mosquitto(tmp_path, GUARDED.format(passwords)) as broker:
        error = await lost(connector(broker.port, TAGS, **options))
    assert isinstance(error, ConfigError)
    assert re.search(said, str(error))


async def test_a_broker_that_takes_no_more_clients_is_left_alone_for_a_while(broker, connector):
    # Mosquitto's own max_connections counts the clients that it turned away as well.
    async with Proxy(broker.port) as proxy:
        proxy.limit = 0
        async with asyncio.timeout(3):  # said at once, not after 5 s
            error = await lost(connector(proxy.port, TAGS))
    assert "closed the connection before it answered: too many clients" in str(error)
    assert error.wait >= 3


async def test_a_client_id_that_is_not_let_in_is_said(tmp_path, connector):
    with servers.mosquitto(tmp_path, "clientid_prefixes sensor-") as broker:
        error = await lost(connector(broker.port, TAGS, client_id="andon-1"))
    assert isinstance(error, ConfigError)
    assert "client id andon-1" in str(error)


async def test_a_broker_that_wants_encryption_is_guessed(encrypted_broker, connector):
    error = await lost(connector(encrypted_broker.port, TAGS))
    assert "or it wants `tls`?" in str(error)


@pytest.mark.parametrize("protocol", ["3.1.1", 5])
async def test_a_session_that_somebody_else_takes_over_says_so_or_suspects_it(
    broker, connector, protocol
):
    async def intrude():
        async with aiomqtt.Client(HOST, broker.port, identifier="andon-1"):
            pass

    ending = asyncio.ensure_future(
        lost(connector(broker.port, TAGS, client_id="andon-1", protocol=protocol))
    )
    while not ending.done():
        await intrude()
        await asyncio.wait([ending], timeout=0.2)
    assert "does somebody else use andon-1?" in str(await ending)


async def test_a_broker_that_says_so_is_not_fought_over(accepting, connector):
    welcome, taken_over = b"\x20\x03\0\0\0", b"\xe0\x02\x8e\0"
    async with accepting(welcome, taken_over) as port:
        error = await lost(connector(port, TAGS, client_id="andon-1", protocol=5))
    assert "somebody else has connected with the client id andon-1" in str(error)
    assert error.wait >= 5


@pytest.mark.parametrize(
    ("protocol", "packet", "kind", "said"),
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
async def test_each_refusal_is_told_in_words(accepting, connector, protocol, packet, kind, said):
    async with accepting(packet) as port:
        error = await lost(connector(port, TAGS, protocol=protocol))
    assert type(error) is kind
    assert said in str(error)


async def test_a_network_that_swallows_everything_is_noticed_within_two_keepalives(
    broker, connector, samples, publish
):
    async with Proxy(broker.port) as proxy:
        source = connector(proxy.port, {"t": {"topic": "t", "path": ""}}, keepalive="1s")
        async with source.open() as batches:
            await publish(("t", b"1"))
            await samples(batches, 1)
            proxy.hold()
            with pytest.raises(SourceLost, match="the broker has not answered for 2s"):
                await asyncio.wait_for(anext(batches), 6)
        await proxy.heal()
        async with source.open() as batches:
            await publish(("t", b"2"))
            rows, _ = await samples(batches, 1)
    assert rows[0][1] == 2


async def test_a_link_that_is_cut_is_noticed_at_once(broker, connector):
    async with Proxy(broker.port) as proxy, connector(proxy.port, TAGS).open() as batches:
        proxy.reset()
        with pytest.raises(SourceLost, match="the connection was closed"):
            await asyncio.wait_for(anext(batches), 2)


@pytest.mark.parametrize("protocol", ["3.1.1", 5])
async def test_over_the_wire_nothing_is_published_and_no_last_will_is_left(
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
    said = (tmp_path / "server.log").read_text()
    assert "Received PUBLISH from plc" in said
    assert said.count("Received SUBSCRIBE from andon-") == 2
    assert "Received PUBLISH from andon" not in said
    assert said.count("No will message specified.") == 3
