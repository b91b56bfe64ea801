"""Against node-opcua: elements, members, paths, texts and qualities, and what ends a session."""

import asyncio
import json
import math
import signal
import time

import pytest
from fakes import PLACES
from foreign import node_server
from patience import PATIENCE

from connectors.opcua import OpcUaConnector, OpcUaOptions
from gateway.api.contracts import SourceLost
from gateway.api.model import Quality

PLANT = "nsu=urn:plant;s="


def server(tmp_path, **options):
    return node_server(tmp_path, "opcua_server.js", json.dumps(options))


def source(port, tags, **options):
    """A connector; of a tag a text is its node's name."""
    tags = {
        name: {"node": PLANT + tag} if isinstance(tag, str) else tag for name, tag in tags.items()
    }
    said = {"type": "opcua", "url": f"opc.tcp://127.0.0.1:{port}", "insecure": True}
    said |= {"publishing_interval": "100ms", "timeout": f"{PATIENCE}s"}
    parsed = OpcUaOptions.model_validate({**said, "tags": tags, **options})
    return OpcUaConnector("plc", parsed, OpcUaConnector.declared_tags("plc", parsed), PLACES)


async def latest(batches, until, within=PATIENCE):
    """The newest (value, quality, reason) by tag, once `until` is true of them."""
    last = {}
    async with asyncio.timeout(within):
        async for batch in batches:
            for tag, value, quality in zip(
                batch.tag.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
            ):
                last[tag] = (value, quality, batch.reasons.get(tag, ""))
            if until(last):
                return last
    raise AssertionError(last)


async def values_of(connector):
    """(value, quality, reason) of all its tags by name."""
    names = list(connector.options.tags)
    async with connector.open() as batches:
        last = await latest(batches, lambda last: len(last) == len(names))
    return {name: last[index] for index, name in enumerate(names)}


@pytest.fixture(scope="module")
def press(tmp_path_factory):
    with server(tmp_path_factory.mktemp("press")) as running:
        yield running


NUMBERS = [
    ({"node": PLANT + "list", "index": 0}, 1.5),
    ({"node": PLANT + "list", "index": 2}, 3.5),
    ({"node": PLANT + "matrix", "index": [0, 2]}, 3.0),
    ({"node": PLANT + "matrix", "index": [1, 0]}, 4.0),
    ({"node": PLANT + "motor", "member": "Speed"}, 1450.0),
    ({"node": PLANT + "motor", "member": "State"}, 5.0),
    ({"node": PLANT + "motor", "member": "RunTime"}, 1234.5),
    ({"node": PLANT + "motor", "member": "Axes[1].Position"}, 20.5),
    ({"node": PLANT + "motor", "member": "Axes[0].Homed"}, 1.0),
    ({"node": PLANT + "motor", "member": "Codes[2]"}, 9.0),
    ({"node": PLANT + "motor", "member": "Name", "enumeration": {"M1": 7}}, 7.0),
    ({"node": PLANT + "motors", "index": 1, "member": "Speed"}, 2.0),
    ({"node": PLANT + "partly", "member": "Always"}, 3.0),
    ({"node": PLANT + "partly", "member": "Last"}, 2.5),
    ({"node": PLANT + "text", "enumeration": {"stopped": 0, "running": 1}}, 1.0),
    ({"node": PLANT + "mode", "enumeration": {"AUTO": 1, "MANUAL": 2}}, 1.0),
    ({"node": PLANT + "state", "enumeration": {"Auto": 1, "Manual": 5}}, 5.0),
    ({"node": PLANT + "uncertain", "good_enough": ["UncertainLastUsableValue"]}, 8.5),
    ({"node": PLANT + "uncertain", "good_enough": ["any"]}, 8.5),
    ({"path": "Objects/nsu=urn:plant;Press/nsu=urn:plant;pressure"}, 212.5),
    ({"path": "Objects/3:Press/3:pressure"}, 212.5),
    ({"path": "/Root/Objects/Press/pressure"}, 212.5),
    ({"path": "Objects/Press/list", "index": 1}, 2.5),
]
NOT_FOUND = "'Sped' not found below 'Press'"
ELSEWHERE = "'Press' not found below 'Objects' in this namespace, but in urn:plant"
MOTOR = "Name, Speed, State, RunTime, Axes, Codes"
UNKNOWN = "BadNodeIdUnknown: the server has no such node"
NO_NUMBERS = [
    (PLANT + "list", {}, "list, not a number: give an index"),
    (PLANT + "list", {"index": 3}, "the list has no element 3; its last is 2"),
    (PLANT + "list", {"member": "Speed"}, "a list of structures: give an index"),
    (
        PLANT + "matrix",
        {},
        "list, not a number: give an index for each dimension, as in [0, 2]",
    ),
    (PLANT + "matrix", {"index": 1}, "list, not a number: give an index"),
    (PLANT + "matrix", {"index": [0, 3]}, "the list has no element 3; its last is 2"),
    (PLANT + "matrix", {"index": [0, 1, 2]}, "a number, not a list: leave `index` out"),
    (PLANT + "text", {}, "text, not a number: 'running'"),
    (
        PLANT + "text",
        {"enumeration": {"off": 0, "on": 1}},
        "the text 'running' is not in the enumeration: off, on",
    ),
    (PLANT + "mode", {}, "text, not a number: 'AUTO'"),
    (PLANT + "broken", {}, "BadSensorFailure: the sensor has failed"),
    (PLANT + "nosuch", {}, UNKNOWN),
    (PLANT + "list[1]", {}, f"{UNKNOWN}; an element of an array is named by `index: 1`"),
    ("nsu=urn:no;s=x", {}, "the server has no namespace urn:no"),
    ("i=85", {}, "BadAttributeIdInvalid: the node has no value; it is not a variable"),
    ("i=2258", {}, "a time, not a number"),
    (PLANT + "ramp", {"index": 0}, "a number, not a list: leave `index` out"),
    (PLANT + "ramp", {"member": "Speed"}, "a number, not a structure: leave `member` out"),
    (PLANT + "motor", {}, f"structure Motor, not a number: give a member, one of {MOTOR}"),
    (PLANT + "motor", {"member": "Sped"}, f"Motor has no member 'Sped'; it has {MOTOR}"),
    (
        PLANT + "motor",
        {"member": "Axes[2].Position"},
        "the list has no element 2; its last is 1",
    ),
    (PLANT + "motor", {"member": "Name"}, "text, not a number: 'M1'"),
    (PLANT + "motors", {"member": "Speed"}, "a list of structures: give an index"),
    (PLANT + "partly", {"member": "Sometimes"}, "no value"),
    (
        None,
        {"path": "Objects/3:Press/3:Sped"},
        f"browse path Objects/3:Press/3:Sped: {NOT_FOUND}",
    ),
    (None, {"path": "Objects/Press/Sped"}, f"browse path Objects/Press/Sped: {NOT_FOUND}"),
    (
        None,
        {"path": "Objects/Pres/Speed"},
        "browse path Objects/Pres/Speed: 'Pres' not found below 'Objects'",
    ),
    (
        None,
        {"path": "Objects/2:Press/Speed"},
        f"browse path Objects/2:Press/Speed: {ELSEWHERE}",
    ),
]


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_a_number_in_a_value_is_a_tag(press, mode):
    tags = {f"t{number}": tag for number, (tag, _) in enumerate(NUMBERS)}
    values = await values_of(source(press.port, tags, mode=mode))
    expected = {
        f"t{number}": (value, Quality.GOOD, "") for number, (_, value) in enumerate(NUMBERS)
    }
    assert values == expected


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_what_is_not_a_number_is_bad_with_its_reason_and_its_neighbour_is_not(press, mode):
    tags = {
        f"t{number}": ({"node": node} if node else {}) | more
        for number, (node, more, _) in enumerate(NO_NUMBERS)
    }
    connector = source(press.port, {**tags, "pressure": "pressure"}, mode=mode)
    expected = {number: why for number, (_, _, why) in enumerate(NO_NUMBERS)}

    def is_told(last):
        # The description of a structure that nobody expected comes with the next attempt.
        return len(last) == len(tags) + 1 and last[18][2] == expected[18]

    async with connector.open() as batches:
        last = await latest(batches, is_told)
    assert last.pop(len(tags)) == (212.5, Quality.GOOD, "")
    assert {tag: why for tag, (_, _, why) in last.items()} == expected
    assert all(math.isnan(value) and bad == Quality.BAD for value, bad, _ in last.values())
    probe = await connector.probe()
    assert not probe.ok
    for number, why in expected.items():
        assert f"t{number}: {why}" in probe.message


async def test_an_uncertain_value_is_shown_as_uncertain_with_its_status(press):
    values = await values_of(source(press.port, {"it": "uncertain"}))
    reason = "UncertainLastUsableValue: the last usable value, no longer updated"
    assert values == {"it": (8.5, Quality.UNCERTAIN, reason)}


async def test_an_uncertain_value_that_is_good_enough_is_shown_in_the_status(press):
    connector = source(press.port, {"it": "uncertain"}, good_enough=["UncertainLastUsableValue"])
    assert (await values_of(connector))["it"][:2] == (8.5, Quality.GOOD)
    why = "UncertainLastUsableValue: the last usable value, no longer updated"
    assert connector.diagnostics == [f"it: {why}; used, it is good enough"]


async def test_other_uncertain_values_are_not_good_enough(press):
    tag = {"node": PLANT + "uncertain", "good_enough": ["UncertainSubNormal"]}
    assert (await values_of(source(press.port, {"it": tag})))["it"][1] == Quality.UNCERTAIN


async def test_tags_of_one_node_share_one_item_and_all_of_them_change(press):
    tags = {f"e{n}": {"node": PLANT + "rising", "index": n} for n in (0, 7, 99)}
    connector = source(press.port, tags)
    async with connector.open() as batches:
        first = await latest(batches, lambda last: len(last) == 3)
        last = await latest(
            batches, lambda last: len(last) == 3 and all(last[k][0] > first[k][0] for k in last)
        )
        assert connector._monitoring.sharing == {0: (0, 1, 2)}
    assert [int(last[index][0]) for index in range(3)] == [0, 7, 99]


async def test_of_a_long_array_the_server_sends_one_element(press):
    connector = source(press.port, {"it": {"node": PLANT + "rising", "index": 42}})
    async with connector.open() as batches:
        first = await latest(batches, lambda last: last)
        last = await latest(batches, lambda last: last and last[0][0] > first[0][0])
        assert [target.index_range for target in connector._monitoring.targets] == ["42"]
    assert int(last[0][0]) == 42


async def test_a_path_with_two_nodes_is_ambiguous(tmp_path):
    with server(tmp_path, twin=True) as running:
        values = await values_of(source(running.port, {"it": {"path": "Objects/Press/Speed"}}))
    assert values["it"][1] == Quality.BAD
    assert "2 nodes named 'Speed' below 'Press'" in values["it"][2]
    assert "name one of them by `node`" in values["it"][2]


async def test_nodes_that_are_numbered_anew_at_a_restart_are_found_by_their_path(tmp_path):
    running = server(tmp_path, shuffled=True)
    connector = source(running.port, {"it": {"path": "Objects/Press/pressure"}})
    nodes = []
    for _ in range(2):
        with running:
            async with connector.open() as batches:
                assert (await latest(batches, lambda last: last))[0][0] == 212.5
                nodes.append(connector._monitoring.targets[0].node)
    assert nodes[0] != nodes[1]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP])
async def test_a_server_that_goes_away_is_lost_and_read_again(tmp_path, how):
    with server(tmp_path) as running:
        connector = source(running.port, {"it": "ramp"}, timeout="2s")
        async with connector.open() as batches:
            await latest(batches, lambda last: last and last[0][0] > 0)
            running.signal(how)
            with pytest.raises(SourceLost):
                await latest(batches, lambda _last: False)
        running.stop() if how != signal.SIGSTOP else running.signal(signal.SIGCONT)
        if how != signal.SIGSTOP:
            running.process.wait()
            running.start()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                async with connector.open() as batches:
                    assert (await latest(batches, lambda last: last))[0][1] == Quality.GOOD
                    return
            except SourceLost:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.2)


async def test_the_sources_own_time_is_kept_however_far_ahead_it_is(tmp_path):
    with server(tmp_path, ahead=2) as running:
        async with source(running.port, {"it": "ahead"}).open() as batches:
            async with asyncio.timeout(PATIENCE):
                async for batch in batches:
                    if max(batch.at) - time.time_ns() > 1.9 * 3.6e12:
                        return
    pytest.fail("no sample is ahead")
