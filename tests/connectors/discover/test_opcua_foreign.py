"""Discovery of node-opcua: units, ranges, names of numbers, what is left out, and large servers."""

import asyncio
import json
import time

import pytest
from click.testing import CliRunner
from foreign import node_server
from patience import PATIENCE

from connectors.discover.command import discover
from gateway.config.load import load

PLANT = "nsu=urn:plant;s="


@pytest.fixture(scope="module")
def press(tmp_path_factory):
    with node_server(tmp_path_factory.mktemp("press"), "opcua_server.js", "{}") as running:
        yield running


@pytest.fixture(scope="module")
def written(press, tmp_path_factory):
    """The line file of the press."""
    return written_by(press, tmp_path_factory.mktemp("line") / "line.yaml")


def written_by(server, file, *options):
    words = ["opcua", f"opc.tcp://127.0.0.1:{server.port}", "--timeout", f"{PATIENCE:.0f}"]
    done = CliRunner().invoke(discover, [*words, "-o", str(file), *options])
    assert done.exit_code == 0, done.output
    return file


@pytest.fixture(scope="module")
def tags(written):
    return load(written).sources["server"].tags


def test_tags_are_named_by_their_browse_path(tags):
    assert set(tags) == {
        *("Press.ramp", "Press.Speed", "Press.list.0", "Press.list.1", "Press.list.2"),
        *("Press.state", "Press.pressure", "Press.phase", "Press.uncertain", "Press.broken"),
        "Press.ahead",
    }


def test_a_variable_has_its_unit_and_range(tags):
    pressure = tags["Press.pressure"]
    assert (pressure.unit, pressure.low, pressure.high) == ("bar", 0, 400)


@pytest.mark.parametrize(
    ("name", "enumeration"),
    [
        ("Press.state", {"Off": 0, "Auto": 1, "Manual": 5}),  # of its data type
        ("Press.phase", {"idle": 0, "closing": 1, "pressing": 2}),  # of the variable
        ("Press.ramp", {}),
    ],
)
def test_a_variable_has_the_names_of_its_numbers(tags, name, enumeration):
    assert tags[name].enumeration == enumeration


def test_a_short_array_becomes_a_tag_for_each_element(tags):
    assert [tags[f"Press.list.{index}"].index for index in range(3)] == [[0], [1], [2]]


@pytest.mark.parametrize(
    "row",
    [
        "# Objects/Press/pressure = 212.5\n",
        "# Objects/Press/broken: BadSensorFailure: the sensor has failed\n",
        "# Objects/Press/uncertain = 8.5, UncertainLastUsableValue: the last usable value",
        f"# Objects/Press/text ({PLANT}text): text, now 'running'; add `enumeration`",
        f"# Objects/Press/motor ({PLANT}motor): structure Motor; add `member`: Name, Speed",
        f"# Objects/Press/motors ({PLANT}motors): an array: structure Motor; add `index` and",
        f"# Objects/Press/rising ({PLANT}rising): an array of 100 numbers; add `index: 0`",
        f"# Objects/Press/matrix ({PLANT}matrix): a matrix of numbers; add `index: [0, 0]`",
    ],
)
def test_values_and_what_is_no_number_are_in_comments(written, row):
    assert row in written.read_text()


def test_properties_the_servers_own_nodes_and_second_folders_are_left_out(written):
    content = written.read_text().partition("version:")[2]
    for absent in ("EURange", "EnumStrings", "Server", "Favourites", '"i='):
        assert absent not in content
    assert content.count("s=pressure") == content.count("s=text)") == 1


def test_ten_thousand_variables_are_read_with_their_limit_said(tmp_path):
    options = json.dumps({"folders": 100, "each": 100})
    with node_server(tmp_path, "opcua_server.js", options) as server:
        started = time.monotonic()
        everything = written_by(server, tmp_path / "all.yaml", "--most", "20000")
        took = time.monotonic() - started
        first = written_by(server, tmp_path / "first.yaml", "--most", "50").read_text()
    found = load(everything).sources["server"].tags
    assert len(found) == 10_011
    assert found["Press.Folder99.V99"].node == f"{PLANT}99.99"
    assert took < PATIENCE
    assert "The first 50; --most writes more." in first
    assert first.count("{node:") == 50


async def test_a_server_without_numbers_says_what_it_has(tmp_path):
    with node_server(tmp_path, "opcua_server.js", "{}") as server:
        url = f"opc.tcp://127.0.0.1:{server.port}"
        words = ["opcua", url, "--depth", "1"]
        done = await asyncio.to_thread(CliRunner().invoke, discover, words)
    assert done.exit_code == 1
    assert "has no numeric variable within 1 levels, of " in done.output
