"""The windows file: whole or passed over, and only for the sources it was written for."""

import asyncio

import numpy as np
import pytest
import structlog

from gateway.config.load import load
from gateway.line.window_store import FILE, WindowStore

LINE = """
version: 1
line: press
site: hall
state: state
sources:
  plc:
    type: modbus
    transport: tcp
    host: 127.0.0.1
    tags:
      flow: {{address: {address}, period: 1s}}
"""
MEMORY = {"1000.values": np.arange(6.0).reshape(3, 2), "1000.times": np.arange(3)}


def windows(folder, address=0):
    (folder / "state").mkdir(exist_ok=True)
    (folder / "l.yaml").write_text(LINE.format(address=address))
    return WindowStore(load(folder / "l.yaml"))


def test_what_was_saved_is_loaded(tmp_path):
    assert windows(tmp_path).save(MEMORY) > 0
    found = windows(tmp_path).load()
    assert set(found) == set(MEMORY)
    assert np.array_equal(found["1000.values"], MEMORY["1000.values"])
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE]


def test_the_first_start_finds_nothing_and_says_nothing(tmp_path):
    with structlog.testing.capture_logs() as said:
        assert windows(tmp_path).load() == {}
    assert said == []


def test_a_tag_that_reads_another_register_has_no_past(tmp_path):
    windows(tmp_path).save(MEMORY)
    with structlog.testing.capture_logs() as said:
        assert windows(tmp_path, address=5).load() == {}
    assert [entry["event"] for entry in said] == ["windows.of_other_sources"]


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_a_torn_file_is_passed_over_and_said(tmp_path, cut):
    found = windows(tmp_path)
    found.save(MEMORY)
    path = tmp_path / "state" / FILE
    path.write_bytes(path.read_bytes()[:cut])
    with structlog.testing.capture_logs() as said:
        assert found.load() == {}
    assert [entry["event"] for entry in said] == ["windows.unreadable"]


def test_a_flipped_bit_anywhere_is_noticed(tmp_path):
    found = windows(tmp_path)
    found.save(MEMORY)
    path = tmp_path / "state" / FILE
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert found.load() == {}


def test_nothing_of_a_pickle_is_ever_read(tmp_path):
    found = windows(tmp_path)
    assert found.save({"times": np.array([{"a": 1}], dtype=object)}) > 0
    with structlog.testing.capture_logs() as said:
        assert found.load() == {}
    assert [entry["event"] for entry in said] == ["windows.unreadable"]


def test_a_disk_that_refuses_stops_nothing(tmp_path):
    found = windows(tmp_path)
    (tmp_path / "state" / FILE).mkdir()
    with structlog.testing.capture_logs() as said:
        assert found.save(MEMORY) == 0
    assert [entry["event"] for entry in said] == ["windows.not_saved"]
    assert not (tmp_path / "state" / "windows.new").exists()


async def test_a_line_that_stops_saves_once_more(tmp_path):
    found = windows(tmp_path)
    task = asyncio.create_task(found.keep(lambda: MEMORY))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(found.load()) == set(MEMORY)
