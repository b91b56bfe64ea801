"""Against asyncua's server: values that change their kind, their size or their node."""

import asyncio
import math

import pytest
from asyncua import ua
from asyncua.server.address_space import AttributeService
from opcua_plant import URI, connector
from patience import PATIENCE

from connectors.opcua import session
from gateway.api.model import Quality

NODE = f"nsu={URI};s="


class Watch:
    """The newest sample of each tag, with its reason."""

    def __init__(self, batches):
        self.batches = batches
        self.last = {}

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not (self.last and condition(self.last)):
                batch = await anext(self.batches)
                for tag, value, quality in zip(
                    batch.tag.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
                ):
                    self.last[tag] = (value, quality, batch.reasons.get(tag, ""))
        return self.last


async def write(plant, name, value, status=ua.StatusCodes.Good):
    data = ua.DataValue(value, ua.StatusCode(status))
    await plant.server.write_attribute_value(ua.NodeId(name, plant.index), data)


def numbers(*values):
    return ua.Variant(list(values), ua.VariantType.Double)


async def test_an_array_that_changes_its_length_has_its_element_or_a_reason(plant):
    await plant.add("list", [1.0, 2.0, 3.0])
    tags = {"it": {"node": f"{NODE}list", "index": 2, "period": "200ms"}}
    async with connector(plant, tags=tags).open() as batches:
        watch = Watch(batches)
        await watch.until(lambda last: last[0][0] == 3.0)
        await write(plant, "list", numbers(1.0, 2.0))
        last = await watch.until(lambda last: last[0][1] == Quality.BAD)
        assert last[0][2] == "the list has no element 2; its last is 1"
        await write(plant, "list", numbers())
        await watch.until(lambda last: last[0][2] == "the list has no element 2; it is empty")
        await write(plant, "list", numbers(1.0, 2.0, 9.0))
        await watch.until(lambda last: last[0] == (9.0, Quality.GOOD, ""))


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_a_long_array_has_its_element_whatever_the_server_does_with_ranges(plant, mode):
    await plant.add("long", [float(number) for number in range(100)])
    tags = {"it": {"node": f"{NODE}long", "index": 42, "period": "200ms"}}
    async with connector(plant, tags=tags, mode=mode).open() as batches:
        watch = Watch(batches)
        await watch.until(lambda last: last[0] == (42.0, Quality.GOOD, ""))
        await write(plant, "long", numbers(*(500.0 + number for number in range(100))))
        await watch.until(lambda last: last[0] == (542.0, Quality.GOOD, ""))
        await write(plant, "long", numbers(7.0))
        last = await watch.until(lambda last: last[0][1] == Quality.BAD)
        assert math.isnan(last[0][0])
        assert "no element 42" in last[0][2] or "BadIndexRange" in last[0][2]


async def test_a_text_that_changes_is_its_number_or_bad(plant):
    tags = {
        "it": {"node": f"{NODE}text", "enumeration": {"pump": 1, "fan": 2}, "period": "200ms"},
        "bare": {"node": f"{NODE}text", "period": "200ms"},
    }
    async with connector(plant, tags=tags).open() as batches:
        watch = Watch(batches)
        await watch.until(lambda last: last[0] == (1.0, Quality.GOOD, ""))
        await write(plant, "text", ua.Variant("valve"))
        last = await watch.until(lambda last: "valve" in last[0][2] and "valve" in last[1][2])
        assert last[0][2] == "the text 'valve' is not in the enumeration: pump, fan"
        assert last[1][2] == "text, not a number: 'valve'"
        await write(plant, "text", ua.Variant("fan"))
        await watch.until(lambda last: last[0] == (2.0, Quality.GOOD, ""))


# asyncua's server forgets to await its own callback when a monitored node is deleted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'MonitoredItemService:RuntimeWarning")
async def test_a_node_that_is_numbered_anew_without_a_restart_is_found_by_its_path(
    plant, monkeypatch
):
    monkeypatch.setattr(session, "_FIRST_RETRY_S", 0.2)
    place = await plant.server.nodes.objects.add_object(ua.NodeId("Dev", plant.index), "2:Dev")
    old = await place.add_variable(ua.NodeId("old", plant.index), "2:P", 1.0)
    tags = {
        "it": {"path": "Objects/2:Dev/2:P", "period": "200ms"},
        "polled": {"path": "Objects/2:Dev/2:P", "period": "200ms", "mode": "poll"},
    }
    async with connector(plant, tags=tags).open() as batches:
        watch = Watch(batches)
        await watch.until(lambda last: len(last) == 2 and last[1][0] == last[0][0] == 1.0)
        await plant.server.delete_nodes([old])
        await watch.until(lambda last: last[1][1] == last[0][1] == Quality.BAD)
        await place.add_variable(ua.NodeId("new", plant.index), "2:P", 2.0)
        await watch.until(lambda last: last[1][0] == last[0][0] == 2.0)


async def test_a_structure_that_the_server_does_not_describe_is_bad_and_its_neighbour_is_not(plant):
    odd = ua.ExtensionObject(TypeId=ua.NodeId("Odd", 2), Body=b"\1\2\3")
    await plant.server.nodes.objects.add_variable(
        ua.NodeId("odd", plant.index), "odd", odd, datatype=ua.NodeId(ua.ObjectIds.Structure)
    )
    tags = {
        "it": {"node": f"{NODE}odd", "member": "Speed", "period": "200ms"},
        "flow": {"node": f"{NODE}flow", "period": "200ms"},
    }
    why = "structure of unknown type ns=2;s=Odd: the server does not say to which type it belongs"
    source = connector(plant, tags=tags)
    async with source.open() as batches:
        last = await Watch(batches).until(lambda last: len(last) == 2 and ":" in last[0][2])
    assert last[0][1:] == (Quality.BAD, why)
    assert last[1] == (1.5, Quality.GOOD, "")
    assert f"it: {why}" in (await source.probe()).message


async def test_a_structure_of_the_standard_has_members(plant):
    await plant.add("range", ua.Range(1.5, 9.5))
    tags = {"it": {"node": f"{NODE}range", "member": "High", "period": "200ms"}}
    async with connector(plant, tags=tags).open() as batches:
        await Watch(batches).until(lambda last: last[0] == (9.5, Quality.GOOD, ""))


async def test_a_value_that_is_good_enough_is_shown_while_it_is_uncertain(plant, events):
    tags = {"it": {"node": f"{NODE}flow", "period": "200ms", "good_enough": "any"}}
    source = connector(plant, tags=tags)
    async with source.open() as batches:
        watch = Watch(batches)
        for value in (3.0, 4.0):
            await write(plant, "flow", ua.Variant(value), ua.StatusCodes.UncertainSubNormal)
            await watch.until(lambda last, value=value: last[0] == (value, Quality.GOOD, ""))
            assert "UncertainSubNormal" in source.diagnostics[0]
            await write(plant, "flow", ua.Variant(value + 0.5))
            await watch.until(lambda last, value=value: last[0][0] == value + 0.5)
            assert source.diagnostics == []
    assert [each["event"] for each in events].count("opcua.tags_uncertain") == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("BadSensorFailure", "BadSensorFailure: the sensor has failed"),
        ("BadNoCommunication", "BadNoCommunication: the server does not reach the device"),
        ("BadOutOfService", "BadOutOfService: the source of the value is out of service"),
        ("BadWaitingForInitialData", "BadWaitingForInitialData: the server has no value yet"),
        ("BadNotConnected", "BadNotConnected: the source of the value is not connected at the"),
        ("BadDeviceFailure", "BadDeviceFailure: the device behind the server has failed"),
        ("BadConfigurationError", "BadConfigurationError: the server's configuration of this"),
        ("BadOutOfRange", "BadOutOfRange: the value was out of range"),
        ("Bad", "Bad: the server gives no reason"),
        (0x80FF0000, "Bad, code 0x80FF0000"),
        (0x808C0480, "BadSensorFailure: the sensor has failed"),  # with info bits
        ("UncertainSubNormal", "UncertainSubNormal: fewer good sources than needed are behind it"),
        ("UncertainSensorCalibration", "UncertainSensorCalibration: the sensor's calibration has"),
        (0x40900480, "UncertainLastUsableValue: the last usable value, no longer updated"),
        (0x40FE0000, "Uncertain"),
    ],
)
async def test_a_status_is_said_in_words(plant, status, words):
    code = getattr(ua.StatusCodes, status) if isinstance(status, str) else status
    await plant.show("flow", 9.0, code)
    async with connector(plant, "flow").open() as batches:
        last = await Watch(batches).until(lambda last: last)
    assert last[0][2].startswith(words)


async def test_a_value_that_is_too_large_for_a_response_is_bad_and_its_neighbour_is_not(
    plant, monkeypatch
):
    await plant.add("huge", [float(number) for number in range(100)])
    read = AttributeService.read

    def limited(self, params):
        if any(each.NodeId.Identifier == "huge" for each in params.NodesToRead):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadResponseTooLarge)
        return read(self, params)

    monkeypatch.setattr(AttributeService, "read", limited)
    tags = {
        "it": {"node": f"{NODE}huge", "index": 42, "period": "200ms", "mode": "poll"},
        "flow": {"node": f"{NODE}flow", "period": "200ms"},
    }
    async with connector(plant, tags=tags).open() as batches:
        last = await Watch(batches).until(lambda last: len(last) == 2)
    assert last[0][1] == Quality.BAD
    assert last[0][2].startswith("BadResponseTooLarge: the response message size exceeds limits")
    assert last[1] == (1.5, Quality.GOOD, "")
