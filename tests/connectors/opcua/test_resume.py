"""A connection that breaks: the next one resumes its session, and nothing is lost or left behind.

A longer outage: ANDON_CUT_SECONDS=5 pytest tests/connectors/opcua/test_resume.py -k cut
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass

import pytest
from asyncua import ua
from asyncua.server.subscription_service import SubscriptionService
from opcua_plant import URI, connector
from patience import PATIENCE
from proxy import Proxy

from gateway.api.contracts import SourceLost

CUT_S = float(os.environ.get("ANDON_CUT_SECONDS", "1"))
HERTZ = 10
FLOW = {"flow": {"node": f"nsu={URI};s=flow", "period": "100ms", "queue_size": 200}}


@dataclass
class Reader:
    """Reopens the source, as the gateway does; `seen` are the good values."""

    connector: object
    seen: list

    async def run(self):
        while True:
            with contextlib.suppress(SourceLost):
                async with self.connector.open() as batches:
                    async for batch in batches:
                        self.seen += [value for value in batch.value.tolist() if value >= 0]
            await asyncio.sleep(0.05)

    async def until(self, value, within=PATIENCE):
        async with asyncio.timeout(within):
            while value not in self.seen:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def reading(plant, **options):
    """A reader behind a proxy, and that proxy."""
    async with Proxy(plant.port) as proxy:
        behind = type("Behind", (), {"url": f"opc.tcp://127.0.0.1:{proxy.port}"})
        reader = Reader(connector(behind, tags=FLOW, **options), [])
        task = asyncio.create_task(reader.run())
        try:
            await reader.until(1.5)
            yield reader, proxy
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()


async def show(plant, first, last):
    for value in range(first, last):
        await plant.show("flow", float(value))
        await asyncio.sleep(1 / HERTZ)


def counts(plant):
    server = plant.server.iserver
    return len(server._external_sessions), len(server.subscription_service.subscriptions)


async def nothing_is_left(plant):
    async with asyncio.timeout(PATIENCE):
        while counts(plant) != (0, 0):
            await asyncio.sleep(0.02)


def order_of(seen, first, last):
    """The values in the order of their first arrival."""
    return [value for value in dict.fromkeys(seen) if first <= value < last]


async def test_a_cut_shorter_than_the_queue_loses_nothing(plant):
    async with reading(plant) as (reader, proxy):
        session = set(plant.server.iserver._external_sessions)
        await show(plant, 100, 110)
        await proxy.refuse()
        await show(plant, 110, 110 + round(CUT_S * HERTZ))
        await proxy.heal()
        last = 120 + round(CUT_S * HERTZ)
        await show(plant, last - 10, last)
        await reader.until(last - 1)
        assert order_of(reader.seen, 100, last) == list(range(100, last))
        assert counts(plant) == (1, 1)
        assert set(plant.server.iserver._external_sessions) == session
    await nothing_is_left(plant)


async def test_messages_in_transit_when_the_connection_broke_are_sent_again(plant, asked):
    async with reading(plant) as (reader, proxy):
        proxy.hold()
        await show(plant, 100, 105)
        proxy.reset()
        await proxy.heal()
        await reader.until(104)
        assert order_of(reader.seen, 100, 105) == list(range(100, 105))
    assert ua.ObjectIds.RepublishRequest_Encoding_DefaultBinary in asked
    await nothing_is_left(plant)


async def test_many_breaks_leave_one_session(plant):
    async with reading(plant) as (reader, proxy):
        for value in range(100, 120, 2):
            await show(plant, value, value + 2)
            proxy.reset()
        await show(plant, 120, 125)
        await reader.until(124)
        assert order_of(reader.seen, 100, 125) == list(range(100, 125))
        assert counts(plant) == (1, 1)
    await nothing_is_left(plant)


async def test_a_half_open_connection_is_noticed_and_its_session_resumed(plant):
    async with reading(plant, timeout="2s") as (reader, proxy):
        await show(plant, 100, 105)
        proxy.forget()
        await show(plant, 105, 115)
        await reader.until(114)
        assert order_of(reader.seen, 100, 115) == list(range(100, 115))
        assert counts(plant) == (1, 1)
    await nothing_is_left(plant)


@pytest.fixture
def transferring(monkeypatch):
    """Makes asyncua's server transfer a subscription's publish requests, not only its responses."""
    transfer = SubscriptionService.transfer_subscriptions

    async def transferred(self, params, session_id, callback):
        for number in params.SubscriptionIds:
            if number in self.subscriptions:
                moved = self.subscriptions[number]
                moved.pub_request_callback = callback.__self__.get_publish_request
        return await transfer(self, params, session_id, callback)

    monkeypatch.setattr(SubscriptionService, "transfer_subscriptions", transferred)


async def forget_sessions(plant):
    for session in list(plant.server.iserver._external_sessions.values()):
        await session.close_session(delete_subs=False)


async def test_a_subscription_outlives_its_session_by_transfer(plant, asked, transferring):
    async with reading(plant) as (reader, proxy):
        await show(plant, 100, 105)
        await proxy.refuse()
        await forget_sessions(plant)
        await show(plant, 105, 115)
        await proxy.heal()
        await reader.until(114)
        assert order_of(reader.seen, 100, 115) == list(range(100, 115))
        assert counts(plant) == (1, 1)
    assert ua.ObjectIds.TransferSubscriptionsRequest_Encoding_DefaultBinary in asked
    await nothing_is_left(plant)


async def test_a_session_that_is_gone_with_its_subscriptions_is_replaced(plant):
    async with reading(plant) as (reader, proxy):
        await proxy.refuse()
        for session in list(plant.server.iserver._external_sessions.values()):
            await session.close_session(delete_subs=True)
        await proxy.heal()
        await show(plant, 100, 105)
        await reader.until(104)
        assert counts(plant) == (1, 1)
    await nothing_is_left(plant)


async def test_a_session_whose_subscription_is_gone_is_replaced(plant):
    async with reading(plant) as (reader, proxy):
        await proxy.refuse()
        service = plant.server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))
        await proxy.heal()
        await show(plant, 100, 105)
        await reader.until(104)
        assert counts(plant) == (1, 1)
    await nothing_is_left(plant)


async def test_after_a_restart_no_old_number_is_used(plant, asked):
    async with reading(plant) as (reader, _):
        await plant.stop()
        asked.clear()
        await plant.start()
        await show(plant, 100, 105)
        await reader.until(104)
        assert counts(plant) == (1, 1)
    assert ua.ObjectIds.TransferSubscriptionsRequest_Encoding_DefaultBinary not in asked
    await nothing_is_left(plant)


async def test_a_session_number_that_a_restarted_server_gave_to_another_client_is_not_used(plant):
    """asyncua's server counts its sessions from the same number in every process."""
    async with reading(plant) as (reader, proxy):
        await proxy.refuse()
        (token,) = plant.server.iserver._external_sessions
        await plant.stop()
        await plant.start()
        async with connector(plant, "speed").open() as others:
            sessions = plant.server.iserver._external_sessions
            (session,) = sessions.values()
            sessions[token] = session
            await proxy.heal()
            await show(plant, 100, 105)
            await reader.until(104)
            assert session.is_activated()
            async with asyncio.timeout(PATIENCE):
                assert (await anext(others)).value.tolist() == [1450.0]


async def test_closing_while_the_connection_is_broken_is_fast(plant):
    async with reading(plant) as (_, proxy):
        await proxy.refuse()
        left = asyncio.get_running_loop().time()
    # Less than any answer is waited for.
    assert asyncio.get_running_loop().time() - left < PATIENCE / 2
