"""A broker that sends nothing: quiet or gone."""

import asyncio

import pytest
from patience import PATIENCE
from proxy import Proxy

from connectors.mqtt import client
from gateway.api.contracts import SourceLost

TAGS = {"t": {"topic": "t", "path": "", "period": "100ms"}}


async def test_a_dropped_connection_is_lost_long_before_its_keep_alive(
    broker, connector, publish, samples, monkeypatch
):
    monkeypatch.setattr(client, "_PING_S", 1.0)
    async with Proxy(broker.port) as proxy, connector(proxy.port, TAGS).open() as batches:
        await publish(("t", b"1"))
        await samples(batches, 1)
        proxy.forget()
        with pytest.raises(SourceLost, match=r"no message, and no response within 1s"):
            await asyncio.wait_for(anext(batches), PATIENCE)


async def test_a_quiet_broker_is_pinged_and_kept(broker, connector, publish, samples, monkeypatch):
    source = connector(broker.port, TAGS)
    monkeypatch.setattr(source, "_silence", 0.05)
    pings = []
    ping = client.Feed._ping

    async def counted(self, coming):
        await ping(self, coming)
        pings.append(coming.done())

    monkeypatch.setattr(client.Feed, "_ping", counted)
    async with source.open() as batches:
        coming = asyncio.ensure_future(samples(batches, 1))
        async with asyncio.timeout(PATIENCE):
            while len(pings) < 3:
                await asyncio.sleep(0.01)
        await publish(("t", b"1"))
        rows, _ = await coming
    assert pings[:3] == [False] * 3, "no message, but a response each time"
    assert rows[0][1] == 1.0
