"""Real servers with limits: what they monitor, and how the rest is read."""

import asyncio

import pytest
from asyncua import ua
from asyncua.server.address_space import AttributeService
from asyncua.server.monitored_item_service import MonitoredItemService
from opcua_plant import URI, connector
from patience import PATIENCE

from gateway.api.model import Quality

NAMES = [f"tag{number}" for number in range(12)]


@pytest.fixture
async def many(plant):
    """A server with a dozen variables."""
    for number, name in enumerate(NAMES):
        await plant.add(name, float(number))
    return plant


@pytest.fixture
def items(monkeypatch):
    """A server's limits on monitored items: by subscription, in all, and by request."""
    limits = {"each": 10**6, "all": 10**6, "call": 10**6}
    sizes = []
    create = MonitoredItemService.create_monitored_items
    alone = MonitoredItemService._create_data_change_monitored_item

    async def limited(self, params):
        sizes.append(len(params.ItemsToCreate))
        if len(params.ItemsToCreate) > limits["call"]:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManyOperations)
        return await create(self, params)

    async def counted(self, params):
        limits["all"] -= 1
        if len(self._monitored_items) >= limits["each"] or limits["all"] < 0:
            refused = ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems)
            return ua.MonitoredItemCreateResult(StatusCode=refused)
        return await alone(self, params)

    monkeypatch.setattr(MonitoredItemService, "create_monitored_items", limited)
    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", counted)
    return limits | {"sizes": sizes}, limits


@pytest.fixture
def reads(monkeypatch):
    """The number of nodes in each read; more than `most` are refused."""
    sizes, limit = [], {"most": 10**6}
    read = AttributeService.read

    def counted(self, params):
        sizes.append(len(params.NodesToRead))
        if len(params.NodesToRead) > limit["most"]:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManyOperations)
        return read(self, params)

    monkeypatch.setattr(AttributeService, "read", counted)
    return sizes, limit


async def good_of(source, count):
    """The last values, once every tag has had a good sample."""
    last = {}
    async with source.open() as batches, asyncio.timeout(PATIENCE):
        async for batch in batches:
            good = batch.quality == Quality.GOOD
            last |= dict(zip(batch.tag[good].tolist(), batch.value[good].tolist(), strict=True))
            if len(last) == count:
                return last
    raise AssertionError(last)


def subscriptions(plant):
    return list(plant.server.iserver.subscription_service.subscriptions.values())


async def changes_of(plant, source):
    """The changes of all twelve tags from the subscriptions, as {tag: value}."""
    seen = {}
    async with source.open() as batches, asyncio.timeout(PATIENCE):
        await anext(batches)
        held = [len(each.monitored_item_srv._monitored_items) for each in subscriptions(plant)]
        for number, name in enumerate(NAMES):
            await plant.show(name, 100.0 + number)
        async for batch in batches:
            seen |= dict(zip(batch.tag.tolist(), batch.value.tolist(), strict=True))
            if len([value for value in seen.values() if value >= 100]) == len(NAMES):
                return held, seen
    raise AssertionError(seen)


async def test_too_many_items_for_one_subscription_are_spread_over_several(many, items):
    _, limits = items
    limits["each"] = 5
    source = connector(many, *NAMES)
    held, seen = await changes_of(many, source)
    assert held == [5, 5, 2]
    assert seen == {number: 100.0 + number for number in range(12)}
    assert source.diagnostics == []
    assert subscriptions(many) == []


async def test_tags_that_the_server_does_not_monitor_are_polled(many, items):
    _, limits = items
    limits["all"] = 7
    source = connector(many, *NAMES)
    _, seen = await changes_of(many, source)
    assert seen == {number: 100.0 + number for number in range(12)}
    assert source.diagnostics == [
        "tag7, tag8, tag9 and 2 more: the server monitors no more items: polled"
    ]


async def test_a_server_with_no_more_subscriptions_is_polled(many, items):
    _, limits = items
    limits["each"] = 5
    many.server.iserver.max_subscriptions = 1
    source = connector(many, *NAMES)
    held, seen = await changes_of(many, source)
    assert held == [5]
    assert len(seen) == 12
    assert "polled" in source.diagnostics[0]


async def test_requests_are_no_larger_than_the_line_file_allows(many, items, reads):
    await good_of(connector(many, *NAMES, batch=5), 12)
    assert items[0]["sizes"] == [5, 5, 2]
    assert max(reads[0]) <= 5


@pytest.mark.parametrize(
    "limit",
    ["MaxNodesPerRead", "MaxMonitoredItemsPerCall"],
)
async def test_requests_are_no_larger_than_the_server_allows(many, items, reads, limit):
    node = f"Server_ServerCapabilities_OperationLimits_{limit}"
    data = ua.DataValue(ua.Variant(4, ua.VariantType.UInt32))
    await many.server.write_attribute_value(ua.NodeId(getattr(ua.ObjectIds, node)), data)
    await good_of(connector(many, *NAMES), 12)
    sizes = reads[0] if limit == "MaxNodesPerRead" else items[0]["sizes"]
    assert max(sizes) == 4


async def test_a_server_that_refuses_a_request_for_its_size_gets_smaller_ones(many, items, reads):
    items[1]["call"] = reads[1]["most"] = 3
    assert len(await good_of(connector(many, *NAMES), 12)) == 12
    assert items[0]["sizes"] == [12, 6, 3, 3, 3, 3]


def tag(**settings):
    return {"flow": {"node": f"nsu={URI};s=flow", "period": "200ms", **settings}}


async def test_a_difference_to_the_request_is_reported_once(plant, events):
    plant.server.iserver.max_monitored_item_queue_size = 10
    source = connector(plant, tags=tag(sampling_interval="10ms", queue_size=200))
    for _ in range(2):
        await good_of(source, 1)
    why = (
        "sampled every 100 ms, not 10; the server keeps 10 changes, not 200: "
        "an outage of 1 s or more loses samples"
    )
    assert source.diagnostics == [f"flow: {why}"]
    assert [event["why"] for event in events if event.get("tags") == "flow"] == [why]


async def test_a_tag_that_is_monitored_as_requested_has_no_diagnostic(plant):
    source = connector(plant, tags=tag(queue_size=200, deadband=0.5))
    await good_of(source, 1)
    assert source.diagnostics == []


async def test_the_server_leaves_out_changes_within_the_dead_band(plant):
    source = connector(plant, tags=tag(deadband=2.0, period="60s"))
    seen = []
    async with source.open() as batches, asyncio.timeout(PATIENCE):
        seen += (await anext(batches)).value.tolist()
        for value in (2.0, 3.0, 1.0, 8.0):
            await plant.show("flow", value)
        while 8.0 not in seen:
            seen += (await anext(batches)).value.tolist()
    assert set(seen) == {1.5, 8.0}


async def test_a_server_without_dead_bands_sends_every_change(plant, monkeypatch):
    alone = MonitoredItemService._create_data_change_monitored_item

    async def plain(self, params):
        if type(params.RequestedParameters.Filter).__name__ == "DataChangeFilter":
            refused = ua.StatusCode(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
            return ua.MonitoredItemCreateResult(StatusCode=refused)
        return await alone(self, params)

    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", plain)
    source = connector(plant, tags=tag(deadband=2.0))
    assert await good_of(source, 1) == {0: 1.5}
    assert source.diagnostics == [
        "flow: the server does not support a dead band here: every change is sent"
    ]


async def test_samples_that_the_servers_queue_dropped_are_counted(plant):
    overflown = 0x480
    async with connector(plant, "flow").open() as batches, asyncio.timeout(PATIENCE):
        await anext(batches)
        await plant.show("flow", 9.0, overflown)
        lost = 0
        while not lost:
            lost += (await anext(batches)).lost
    assert lost == 1
