"""A broker that sends nothing: is it quiet, or gone?"""

import asyncio

import pytest
from proxy import Proxy

from connectors.mqtt import client
from gateway.api.contracts import SourceLost

TAGS = {"t": {"topic": "t", "path": "", "period": "100ms"}}


async def test_a_connection_that_only_we_believe_in_is_given_up_long_before_its_keep_alive(
    broker, connector, publish, samples, monkeypatch
):
    monkeypatch.setattr(client, "_ANSWER_S", 0.3)
    async with Proxy(broker.port) as proxy, connector(proxy.port, TAGS).open() as batches:
        await publish(("t", b"1"))
        await samples(batches, 1)
        proxy.forget()
        with pytest.raises(SourceLost, match=r"nothing came, and no answer within 0\.3s"):
            await asyncio.wait_for(anext(batches), 10)


async def test_a_quiet_broker_is_asked_and_believed(
    broker, connector, publish, samples, monkeypatch
):
    source = connector(broker.port, TAGS)
    monkeypatch.setattr(source, "_silence", 0.05)
    answers = []
    ask = client.Feed._ask

    async def counted(self, coming):
        await ask(self, coming)
        answers.append(coming.done())

    monkeypatch.setattr(client.Feed, "_ask", counted)
    async with source.open() as batches:
        coming = asyncio.ensure_future(samples(batches, 1))
        async with asyncio.timeout(10):
            while len(answers) < 3:
                await asyncio.sleep(0.01)
        await publish(("t", b"1"))
        rows, _ = await coming
    assert answers[:3] == [False] * 3, "no message, but an answer each time"
    assert rows[0][1] == 1.0
