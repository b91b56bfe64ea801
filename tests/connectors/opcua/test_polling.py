"""Tags that are read on schedule, from a real server."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from opcua_plant import URI, connector
from patience import PATIENCE
from proxy import Proxy

from connectors.opcua import session as module
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Quality

SUBSCRIBING = {
    ua.ObjectIds.CreateSubscriptionRequest_Encoding_DefaultBinary,
    ua.ObjectIds.PublishRequest_Encoding_DefaultBinary,
}


def polled(plant, *names, **options):
    return connector(plant, *names, mode="poll", **options)


async def samples(source, count):
    """The first samples as (tag, at, value, quality)."""
    read = []
    async with source.open() as batches, asyncio.timeout(PATIENCE):
        async for batch in batches:
            columns = (batch.tag, batch.at, batch.value, batch.quality)
            read += zip(*(column.tolist() for column in columns), strict=True)
            if len(read) >= count:
                return read
    raise AssertionError(read)


async def drain(batches):
    async with asyncio.timeout(PATIENCE):
        async for _ in batches:
            pass


async def test_polled_tags_are_read_and_nothing_is_subscribed_to(plant, asked):
    read = await samples(polled(plant, "flow", "on"), 8)
    assert {(tag, value, quality) for tag, _, value, quality in read} == {
        (0, 1.5, Quality.GOOD),
        (1, 1.0, Quality.GOOD),
    }
    assert not SUBSCRIBING & set(asked)
    assert len(plant.server.iserver._external_sessions) == 0


async def test_a_constant_value_has_the_time_of_the_poll(plant):
    await plant.show("flow", 2.0, at=datetime.now(UTC) - timedelta(hours=1))
    times = [at for _, at, _, _ in await samples(polled(plant, "flow"), 4)]
    assert times == sorted(set(times))
    assert all(abs(at - time.time_ns()) < 30 * SECOND for at in times)


async def test_a_value_that_changed_between_two_polls_has_the_time_of_its_change(plant):
    seen = {}
    async with polled(plant, "flow").open() as batches, asyncio.timeout(PATIENCE):
        await anext(batches)
        moment = datetime.now(UTC)
        await plant.show("flow", 7.0, at=moment)
        while 7.0 not in seen:
            batch = await anext(batches)
            seen[batch.value[0]] = int(batch.at[0])
    assert seen[7.0] == round(moment.timestamp() * 1e6) * 1000


async def test_a_tag_may_be_polled_beside_one_that_is_subscribed_to(plant, asked):
    node = f"nsu={URI};s="
    tags = {
        "flow": {"node": node + "flow", "period": "100ms"},
        "speed": {"node": node + "speed", "period": "100ms", "mode": "poll"},
    }
    read = await samples(connector(plant, tags=tags), 10)
    assert {tag for tag, *_ in read} == {0, 1}
    assert set(asked) >= SUBSCRIBING


async def test_a_missing_node_or_namespace_is_bad_and_its_neighbour_is_not(plant):
    tags = {
        "flow": {"node": f"nsu={URI};s=flow", "period": "100ms"},
        "gone": {"node": f"nsu={URI};s=gone", "period": "100ms"},
        "lost": {"node": "nsu=urn:nowhere;s=flow", "period": "100ms"},
    }
    source = polled(plant, tags=tags)
    read = await samples(source, 12)
    assert {(tag, quality) for tag, _, _, quality in read} == {
        (0, Quality.GOOD),
        (1, Quality.BAD),
        (2, Quality.BAD),
    }
    assert source.diagnostics == ["lost: the server has no namespace urn:nowhere"]


async def test_a_server_with_long_periods_is_checked_in_between(plant, asked, monkeypatch):
    monkeypatch.setattr(module, "_ALIVE_S", 0.05)
    tags = {"flow": {"node": f"nsu={URI};s=flow", "period": "1h"}}
    reads = ua.ObjectIds.ReadRequest_Encoding_DefaultBinary
    async with polled(plant, tags=tags).open() as batches, asyncio.timeout(PATIENCE):
        await anext(batches)
        asked.clear()
        while asked.count(reads) < 3:
            await asyncio.sleep(0.02)


async def test_a_silent_server_is_lost(plant):
    async with Proxy(plant.port) as proxy:
        behind = type("Behind", (), {"url": f"opc.tcp://127.0.0.1:{proxy.port}"})
        async with polled(behind, "flow", timeout="500ms").open() as batches:
            await anext(batches)
            proxy.hold()
            with pytest.raises(SourceLost, match="no response within 500ms"):
                await drain(batches)
