"""Against a real server: what a subscription and its reads return, and what ends a session."""

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua
from asyncua.server.internal_session import InternalSession
from opcua_plant import URI, connector
from patience import PATIENCE

from connectors.opcua import session
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality


async def seen(batches, until, within=PATIENCE):
    """The samples as {tag: [(at, value, quality)]} once `until` is true of them."""
    samples = {}
    async with asyncio.timeout(within):
        async for batch in batches:
            for tag, *sample in zip(batch.tag, batch.at, batch.value, batch.quality, strict=True):
                samples.setdefault(int(tag), []).append(sample)
            if until(samples):
                return samples
    raise AssertionError(samples)


async def test_numbers_have_the_sources_time_and_other_values_are_bad(plant):
    moment = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    await plant.show("flow", 7.25, at=moment)
    at = round(moment.timestamp() * 1e6) * 1000
    async with connector(plant, "flow", "speed", "on", "text").open() as batches:
        samples = await seen(batches, lambda f: len(f) == 4 and [at, 7.25, Quality.GOOD] in f[0])
    assert samples[1][0][1:] == [1450.0, Quality.GOOD]
    assert samples[2][0][1:] == [1.0, Quality.GOOD]
    assert math.isnan(samples[3][0][1])
    assert samples[3][0][2] == Quality.BAD


async def test_changes_come_in_order_and_none_is_missing(plant):
    async with connector(plant, "flow", tags={
        "flow": {"node": f"nsu={URI};s=flow", "sampling_interval": "1ms", "queue_size": 100}
    }).open() as batches:  # fmt: skip
        await seen(batches, lambda f: len(f[0]) >= 2)
        for k in range(50):
            await plant.show("flow", float(k))
        samples = await seen(batches, lambda f: f[0][-1][1] == 49.0)
    changes = [sample[1] for sample in samples[0]]
    assert changes[-50:] == [float(k) for k in range(50)]


@pytest.mark.parametrize(
    ("status", "quality"),
    [
        (ua.StatusCodes.UncertainLastUsableValue, Quality.UNCERTAIN),
        (ua.StatusCodes.BadSensorFailure, Quality.BAD),
    ],
)
async def test_the_servers_status_is_the_samples_quality(plant, status, quality):
    async with connector(plant, "flow").open() as batches:
        await seen(batches, lambda f: f)
        await plant.show("flow", 9.0, status)
        samples = await seen(batches, lambda f: f[0][-1][2] == quality)
    assert math.isnan(samples[0][-1][1]) == (quality is Quality.BAD)


async def test_a_silent_tag_is_confirmed_by_reading_it(plant):
    before = time.time_ns()
    async with connector(plant, "flow").open() as batches:
        samples = await seen(batches, lambda f: len(f[0]) >= 4)
    assert {sample[1] for sample in samples[0]} == {1.5}
    confirmed = [sample[0] for sample in samples[0][1:]]
    assert all(at > before - 10**9 for at in confirmed)
    assert confirmed == sorted(set(confirmed))


async def test_a_node_that_does_not_exist_does_not_stop_its_neighbours(plant):
    async with connector(plant, "gone", "flow").open() as batches:
        samples = await seen(batches, lambda f: len(f.get(0, [])) > 1 and len(f.get(1, [])) > 1)
        assert {sample[2] for sample in samples[0]} == {Quality.BAD}
        assert {sample[2] for sample in samples[1]} == {Quality.GOOD}
        await plant.add("gone", 5.0)
        samples = await seen(batches, lambda f: f.get(0, [[0, 0, 2]])[-1][1] == 5.0)
    assert samples[0][-1][2] == Quality.GOOD


async def test_a_namespace_that_is_added_later_is_subscribed_to(plant, services, monkeypatch):
    monkeypatch.setattr(session, "_FIRST_RETRY_S", 0.2)
    tags = {"late": {"node": "nsu=urn:late;s=late", "period": "200ms"}}
    source = connector(plant, tags=tags)
    async with source.open() as batches:
        assert (await seen(batches, lambda f: f))[0][0][2] == Quality.BAD
        assert source.diagnostics == ["late: the server has no namespace urn:late"]
        assert "CreateSubscription" not in services()
        node = ua.NodeId("late", await plant.server.register_namespace("urn:late"))
        await plant.server.nodes.objects.add_variable(node, "late", 5.0)
        await seen(batches, lambda f: f.get(0, [[0, 0, 2]])[-1][1] == 5.0)
        async with asyncio.timeout(PATIENCE):
            while "Publish" not in services():
                await asyncio.sleep(0.02)
        assert source.diagnostics == []


# asyncua's server forgets to await its own callback when a monitored node is deleted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'MonitoredItemService:RuntimeWarning")
async def test_a_node_that_is_deleted_is_bad_until_it_is_back(plant):
    async with connector(plant, "flow", "speed").open() as batches:
        await seen(batches, lambda f: set(f) == {0, 1})
        await plant.remove("speed")
        await seen(batches, lambda f: f.get(1, [[0, 0, 0]])[-1][2] == Quality.BAD)
        await plant.add("speed", 900)
        await seen(batches, lambda f: f.get(1, [[0, 0, 0]])[-1][1] == 900.0)


async def test_a_server_that_stops_ends_the_session_and_can_be_opened_again(plant):
    source = connector(plant, "flow")
    async with source.open() as batches:
        await seen(batches, lambda f: f)
        await plant.stop()
        with pytest.raises(SourceLost):
            await seen(batches, lambda _: False)
    with pytest.raises(SourceLost, match=str(plant.port)):
        async with source.open():
            pytest.fail("no server is listening")
    await plant.start()
    async with source.open() as batches:
        assert (await seen(batches, lambda f: f))[0][0][1] == 1.5


async def test_a_namespace_with_another_index_after_a_restart_is_resolved_by_its_uri(plant):
    source = connector(plant, "flow")
    async with source.open() as batches:
        await seen(batches, lambda f: f)
    before = plant.index
    await plant.stop()
    await plant.start("urn:new:one", "urn:new:two")
    assert plant.index == before + 2
    async with source.open() as batches:
        assert (await seen(batches, lambda f: f))[0][0][1] == 1.5


async def test_nodes_that_are_missing_after_a_restart_are_bad_and_their_neighbours_are_not(plant):
    source = connector(plant, "flow", "speed")
    async with source.open() as batches:
        await seen(batches, lambda f: set(f) == {0, 1})
    await plant.stop()
    await plant.start()
    await plant.remove("speed")
    async with source.open() as batches:
        after = await seen(batches, lambda f: set(f) == {0, 1})
        assert after[0][-1][1:] == [1.5, Quality.GOOD]
        assert {sample[2] for sample in after[1]} == {Quality.BAD}
        await plant.add("speed", 900)
        await seen(batches, lambda f: f.get(1, [[0, 0, 0]])[-1][1] == 900.0)


async def test_closing_leaks_no_session_on_the_server(plant):
    before = InternalSession._current_connections
    for _ in range(3):
        async with connector(plant, "flow").open() as batches:
            await seen(batches, lambda f: f)
            assert InternalSession._current_connections == before + 1
    async with asyncio.timeout(PATIENCE):
        while InternalSession._current_connections != before:
            await asyncio.sleep(0.05)


async def test_the_services_that_the_server_is_asked_for_are_recorded(plant, services):
    """The fixture `_only_reading` checks them after every test of this folder."""
    async with connector(plant, "gone", "flow").open() as batches:
        await seen(batches, lambda f: len(f.get(1, [])) >= 4)
    await connector(plant, "flow").probe()
    assert services() == {
        "ActivateSession",
        "CloseSession",
        "CreateMonitoredItems",
        "CreateSession",
        "CreateSubscription",
        "Publish",
        "Read",
    }


async def test_a_write_or_a_call_would_be_recorded(plant, asked, services):
    async with Client(plant.url) as stranger:
        node = stranger.get_node(ua.NodeId("flow", plant.index))
        with pytest.raises(ua.UaStatusCodeError):
            await node.write_value(1.0)
        with pytest.raises(ua.UaStatusCodeError):
            await stranger.nodes.server.call_method("0:GetMonitoredItems", 1)
        assert {"Write", "Call"} <= services()
    asked.clear()


async def test_a_probe_reports_its_outcome(plant):
    good = await connector(plant, "flow", "speed").probe()
    assert good.ok
    assert "2 nodes readable" in good.message
    some = await connector(plant, "flow", "gone").probe()
    assert not some.ok
    assert "gone: BadNodeIdUnknown" in some.message
    await plant.stop()
    none = await connector(plant, "flow").probe()
    assert not none.ok
    assert str(plant.port) in none.message


async def test_wire_bytes_are_counted(plant):
    async with connector(plant, "flow").open() as batches, asyncio.timeout(PATIENCE):
        async for batch in batches:
            assert batch.wire_bytes > 0
            break


@pytest.mark.parametrize("clock", ["source", "server", "receive"])
async def test_the_time_of_a_change_is_the_one_chosen_in_the_line_file(plant, clock):
    now = time.time_ns()
    hours = {"source": 2, "server": 1, "receive": 0}
    source, server = (datetime.now(UTC) - timedelta(hours=hours[each]) for each in list(hours)[:2])
    data = ua.DataValue(ua.Variant(3.0), ua.StatusCode(), source, server)
    await plant.server.write_attribute_value(ua.NodeId("flow", plant.index), data)
    async with connector(plant, "flow", timestamp=clock).open() as batches:
        samples = await seen(batches, lambda f: f)
    # The first comes from the subscription.
    assert samples[0][0][1] == 3.0
    assert abs(samples[0][0][0] - (now - hours[clock] * 3600 * 10**9)) < 60 * 10**9
