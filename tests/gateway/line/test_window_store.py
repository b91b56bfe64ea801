"""The windows file: whole or passed over, and only for the sources it was written for."""

import asyncio
import threading
import zlib

import numpy as np
import pytest
import structlog
from patience import PATIENCE

from gateway.config.load import load
from gateway.line import window_store
from gateway.line.window_store import FILE, WindowStore
from gateway.telemetry.heartbeats import Part

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
    stored = windows(tmp_path).load()
    assert set(stored) == set(MEMORY)
    assert np.array_equal(stored["1000.values"], MEMORY["1000.values"])
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE]


def test_the_first_start_finds_nothing_and_says_nothing(tmp_path):
    with structlog.testing.capture_logs() as logs:
        assert windows(tmp_path).load() == {}
    assert logs == []


def test_a_tag_that_reads_another_register_has_no_past(tmp_path):
    windows(tmp_path).save(MEMORY)
    with structlog.testing.capture_logs() as logs:
        assert windows(tmp_path, address=5).load() == {}
    assert [entry["event"] for entry in logs] == ["windows.of_other_sources"]


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_a_torn_file_is_passed_over_and_said(tmp_path, cut):
    stored = windows(tmp_path)
    stored.save(MEMORY)
    path = tmp_path / "state" / FILE
    path.write_bytes(path.read_bytes()[:cut])
    with structlog.testing.capture_logs() as logs:
        assert stored.load() == {}
    assert [entry["event"] for entry in logs] == ["windows.unreadable"]


def test_a_flipped_bit_anywhere_is_noticed(tmp_path):
    stored = windows(tmp_path)
    stored.save(MEMORY)
    path = tmp_path / "state" / FILE
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert stored.load() == {}


def test_nothing_of_a_pickle_is_ever_read(tmp_path):
    stored = windows(tmp_path)
    assert stored.save({"times": np.array([{"a": 1}], dtype=object)}) > 0
    with structlog.testing.capture_logs() as logs:
        assert stored.load() == {}
    assert [entry["event"] for entry in logs] == ["windows.unreadable"]


def test_a_disk_that_refuses_stops_nothing(tmp_path):
    stored = windows(tmp_path)
    (tmp_path / "state" / FILE).mkdir()
    with structlog.testing.capture_logs() as logs:
        assert stored.save(MEMORY) == 0
    assert [entry["event"] for entry in logs] == ["windows.not_saved"]
    assert not (tmp_path / "state" / "windows.new").exists()


async def test_a_line_that_stops_saves_once_more(tmp_path):
    stored = windows(tmp_path)
    task = asyncio.create_task(stored.keep(lambda: MEMORY))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(stored.load()) == set(MEMORY)


async def test_a_large_file_is_written_seldom_and_a_small_one_every_two_seconds(
    tmp_path, monkeypatch
):
    store, waits, sizes = windows(tmp_path), [], [0, 60_000, 20_000, 100_000]

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 5:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    saved = []
    monkeypatch.setattr(store, "save", lambda memory: saved.append(memory) or (sizes or [0]).pop(0))
    with pytest.raises(asyncio.CancelledError):
        await store.keep(lambda: {"n": np.array([len(saved)])})
    assert waits == [2.0, 2.0, 3.0, 2.0, 5.0]
    assert [memory["n"].tolist() for memory in saved] == [[0], [1], [2], [3], [4]]


async def test_a_disk_that_hangs_holds_up_neither_the_line_nor_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(window_store, "EVERY_S", 0.01)
    monkeypatch.setattr(window_store, "LAST_S", 0.05)
    store, part, may_end = windows(tmp_path), Part("windows"), threading.Event()
    live = np.array([1.0])
    saved = []

    def save(memory):
        may_end.wait(PATIENCE)
        saved.append(memory["n"].tolist())
        return 0

    monkeypatch.setattr(store, "save", save)
    task = asyncio.create_task(store.keep(lambda: {"n": live}, part))
    async with asyncio.timeout(PATIENCE):
        while part.state.wait.what != "saving":
            await asyncio.sleep(0.01)
        live[0] = 2.0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    may_end.set()
    async with asyncio.timeout(PATIENCE):
        while not saved:
            await asyncio.sleep(0.01)
    assert saved[0] == [1.0], "what was handed over does not change any more"


def test_the_size_of_what_was_saved_is_that_of_the_file(tmp_path):
    size = windows(tmp_path).save(MEMORY)
    assert (tmp_path / "state" / FILE).stat().st_size == size


def test_a_windows_file_begins_with_the_checksum_of_what_follows(tmp_path):
    windows(tmp_path).save(MEMORY)
    content = (tmp_path / "state" / FILE).read_bytes()
    assert int.from_bytes(content[:4], "big") == zlib.crc32(content[4:])


@pytest.mark.parametrize(
    ("event", "level"), [("windows.unreadable", "warning"), ("windows.not_saved", "warning")]
)
def test_the_log_names_the_file_and_why(tmp_path, event, level):
    store, path = windows(tmp_path), tmp_path / "state" / FILE
    path.mkdir()
    with structlog.testing.capture_logs() as logs:
        store.load()
        store.save(MEMORY)
    (entry,) = [each for each in logs if each["event"] == event]
    assert (entry["log_level"], entry["file"]) == (level, str(path))
    assert "directory" in entry["why"]


def test_other_sources_are_named_with_the_file(tmp_path):
    windows(tmp_path).save(MEMORY)
    with structlog.testing.capture_logs() as logs:
        windows(tmp_path, address=5).load()
    assert logs[0]["file"] == str(tmp_path / "state" / FILE)
    assert logs[0]["log_level"] == "info"


def test_damage_is_named_as_such(tmp_path):
    store = windows(tmp_path)
    store.save(MEMORY)
    (tmp_path / "state" / FILE).write_bytes(b"nonsense")
    with structlog.testing.capture_logs() as logs:
        store.load()
    assert "damaged" in logs[0]["why"]


def test_a_folder_that_is_gone_stops_nothing(tmp_path):
    store = windows(tmp_path)
    (tmp_path / "state").rmdir()
    assert store.save(MEMORY) == 0


def test_the_order_of_a_files_keys_makes_no_other_sources(tmp_path):
    windows(tmp_path).save(MEMORY)
    lines = (tmp_path / "l.yaml").read_text()
    one, other = "    transport: tcp\n", "    host: 127.0.0.1\n"
    (tmp_path / "l.yaml").write_text(lines.replace(one + other, other + one))
    assert set(WindowStore(load(tmp_path / "l.yaml")).load()) == set(MEMORY)


def test_a_file_without_a_digest_is_of_other_sources(tmp_path):
    store = windows(tmp_path)
    (tmp_path / "state" / FILE).write_bytes(window_store._encoded(MEMORY))
    assert store.load() == {}
