"""The file that discovery would write is checked before a source is searched."""

import pytest
from click.testing import CliRunner

from connectors.discover.command import discover

SOURCES = [
    ("modbus", "127.0.0.1:1"),
    ("opcua", "opc.tcp://127.0.0.1:1"),
    ("mqtt", "mqtt://127.0.0.1:1"),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0])
def test_an_existing_file_is_refused_before_the_source_is_asked(source, tmp_path):
    file = tmp_path / "line.yaml"
    file.write_text("mine")

    done = CliRunner().invoke(discover, [*source, "-o", str(file)])

    assert done.exit_code == 1
    assert "exists and is not overwritten: choose another name" in done.output
    assert "127.0.0.1" not in done.output
    assert file.read_text() == "mine"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0])
def test_a_file_in_no_folder_is_refused_before_the_source_is_asked(source, tmp_path):
    done = CliRunner().invoke(discover, [*source, "-o", str(tmp_path / "nowhere" / "line.yaml")])

    assert done.exit_code == 1
    assert "there is no folder" in done.output
    assert "127.0.0.1" not in done.output
