"""A line's own history is found, or it is said how to get one."""

from types import SimpleNamespace

import numpy as np
import pytest

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, SampleBatch
from gateway.config.load import load
from gateway.history.archive import Archive
from gateway.history.own import own_history

LINE = """
version: 1
line: press-3
site: here
state: state
sources: {plc: {type: modbus, host: 127.0.0.1, tags: {oil: {address: 0}}}}
"""


def config(folder, more=""):
    path = folder / "press-3.yaml"
    path.write_text(LINE + more)
    return load(path)


def test_the_folder_with_history_files_is_found(tmp_path):
    options = SimpleNamespace(max_bytes=2**40, max_age=2**62, flush=60 * SECOND)
    folder = tmp_path / "state" / "history"
    archive = Archive(folder, options, {}, ["oil"], reserve=0)
    column = np.array([0], dtype=np.int32)
    batch = SampleBatch(column, np.array([SECOND]), np.array([1.0]), column.astype(np.uint8))
    archive.store([(2 * SECOND, batch)])
    assert own_history(config(tmp_path)) == folder


def test_without_the_option_it_is_said_how_to_turn_it_on(tmp_path):
    with pytest.raises(ConfigError, match=r"add `history: \{\}` to it, restart andon"):
        own_history(config(tmp_path))


def test_with_the_option_it_is_said_that_nothing_is_recorded_yet(tmp_path):
    (tmp_path / "state" / "history").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"yet, though it says `history:`: let `andon run"):
        own_history(config(tmp_path, "history: {}\n"))


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def denied(_folder):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "state" / "history").mkdir(parents=True)
    monkeypatch.setattr("gateway.history.own.listed", denied)
    with pytest.raises(ConfigError, match="run this as the user of the service"):
        own_history(config(tmp_path))
