"""Against a real server: what is found becomes a line file that is accepted as it stands."""

import asyncio

from asyncua import ua
from click.testing import CliRunner
from opcua_plant import URI, asked, plant  # noqa: F401 - fixtures

from connectors.discover.command import discover
from connectors.discover.opcua import tag_names
from gateway.config.load import load

WRITES = {ua.ObjectIds.WriteRequest_Encoding_DefaultBinary}
WRITES |= {ua.ObjectIds.CallRequest_Encoding_DefaultBinary}


async def run(*words):
    return await asyncio.to_thread(CliRunner().invoke, discover, ["opcua", *map(str, words)])


async def test_numeric_variables_become_tags_by_namespace_uri(plant, asked, tmp_path):  # noqa: F811
    file = tmp_path / "line.yaml"

    done = await run(plant.url, "-o", file)

    assert done.exit_code == 0, done.output
    tags = load(file).sources["server"].tags
    assert {name: tag.node for name, tag in tags.items()} == {
        name: f"nsu={URI};s={name}" for name in ("flow", "speed", "on")
    }
    assert asked
    assert not WRITES & set(asked)


async def test_no_more_is_written_than_wanted(plant):  # noqa: F811
    done = await run(plant.url, "--most", 1)

    assert done.output.count("nsu=") == 1


async def test_a_file_that_exists_is_left_alone(plant, tmp_path):  # noqa: F811
    file = tmp_path / "line.yaml"
    file.write_text("mine")

    done = await run(plant.url, "-o", file)

    assert done.exit_code == 1
    assert file.read_text() == "mine"


async def test_a_server_that_is_away_is_said_in_a_sentence():
    done = await run("opc.tcp://127.0.0.1:1", "--timeout", 2)

    assert done.exit_code == 1
    assert "connection refused" in done.output


def test_names_are_made_fit_and_unique():
    assert tag_names(["Pump Speed", "Pump/Speed", "3rd", "é", "a" * 80]) == [
        "Pump_Speed",
        "Pump_Speed_2",
        "tag_3rd",
        "tag",
        "a" * 56,
    ]
