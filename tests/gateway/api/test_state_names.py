from pathlib import Path

import pytest

from gateway.api.state_names import why_not_here

STATE = Path("/var/lib/andon/press-3")


@pytest.mark.parametrize(
    "path",
    [
        *("buffer.db", "./buffer.db", "buffer.db-wal", "buffer.db.ballast", "x/../lock"),
        *("history/a.jsonl", "opcua/own.pem", "windows.dat", "../press-3/control.sock"),
        str(STATE / "buffer.db"),
    ],
)
def test_what_belongs_to_the_line_is_no_place_for_anything_else(path):
    assert "belongs to the line itself" in why_not_here(STATE, path)


@pytest.mark.parametrize("path", [".", "..", "../..", "/", "/var/lib/andon", "x/.."])
def test_a_folder_around_the_state_is_no_file(path):
    assert "is a folder" in why_not_here(STATE, path)


@pytest.mark.parametrize(
    "path", ["points.jsonl", "buffers.db", "out/lock", "../points.jsonl", "/var/log/p.jsonl"]
)
def test_any_other_file_is_a_place(path):
    assert why_not_here(STATE, path) == ""
