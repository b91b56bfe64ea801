import errno
import json
import os

import odd_files
import pytest

from gateway.api import line_protocol
from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.model import Envelope, Kind, Point
from gateway.sinks.file import FileOptions, FileSink, drop_torn_row, to_json

AT = 1_700_000_000_123_456_789


def envelope(value, kind=Kind.SUMMARY):
    point = Point("andon_summary", {"tag": "flöw"}, {"mean": value, "count": 3}, AT)
    return Envelope(kind, AT, line_protocol.encode(point))


def sink(tmp_path, **options):
    return FileSink("local", FileOptions(**options), Places(tmp_path, tmp_path))


def means(path):
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    return [row["fields"]["mean"] for row in rows]


def test_a_point_is_one_row_of_json():
    row = to_json(envelope(1.5).body)
    assert json.loads(row) == {
        "time": "2023-11-14T22:13:20.123456789Z",
        "measurement": "andon_summary",
        "tags": {"tag": "flöw"},
        "fields": {"mean": 1.5, "count": 3},
    }
    assert row.count(b"\n") == 1


async def test_a_batch_is_appended_and_synced_before_write_returns(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noting(file):
        synced.append(os.fstat(file).st_size)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noting)
    local = sink(tmp_path)
    async with local.open():
        first = await local.write([envelope(1.0), envelope(2.0)])
        assert first in synced
        second = await local.write([envelope(3.0)])
        assert first + second in synced
    assert means(tmp_path / "points.jsonl") == [1.0, 2.0, 3.0]
    assert (tmp_path / "points.jsonl").stat().st_size == first + second


async def test_a_file_that_is_too_large_is_rotated_and_old_ones_are_deleted(tmp_path):
    size = len(to_json(envelope(1.0).body))
    local = sink(tmp_path, max_bytes=f"{2 * size}B", keep=2)
    async with local.open():
        for value in range(1, 9):
            await local.write([envelope(float(value))])
    files = {path.name: means(path) for path in tmp_path.iterdir()}
    assert files == {
        "points.jsonl": [7.0, 8.0],
        "points.jsonl.1": [5.0, 6.0],
        "points.jsonl.2": [3.0, 4.0],
    }


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", b""),
        (b"one\ntwo\n", b"one\ntwo\n"),
        (b"one\ntw", b"one\n"),
        (b"on", b""),
        (b"one\n" + b"x" * 200_000, b"one\n"),
    ],
)
def test_a_row_that_a_crash_cut_off_is_dropped(tmp_path, content, kept):
    path = tmp_path / "p"
    path.write_bytes(content)
    drop_torn_row(path)
    assert path.read_bytes() == kept


async def test_after_a_crash_the_file_holds_only_whole_rows(tmp_path):
    path = tmp_path / "points.jsonl"
    path.write_bytes(to_json(envelope(1.0).body) + b'{"time": "20')
    local = sink(tmp_path)
    async with local.open():
        await local.write([envelope(2.0)])
    assert means(path) == [1.0, 2.0]


async def test_a_full_disk_is_unavailable_and_leaves_no_partial_row(tmp_path, monkeypatch):
    local, write, full = sink(tmp_path), os.write, [True]

    def half(file, data):
        if full and full.pop():
            return write(file, bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    async with local.open():
        await local.write([envelope(1.0)])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            with pytest.raises(SinkUnavailable, match="No space left"):
                await local.write([envelope(2.0), envelope(3.0)])
        assert means(local.path) == [1.0]
        await local.write([envelope(2.0)])
    assert means(local.path) == [1.0, 2.0]


async def test_a_path_that_cannot_be_written_is_unavailable_and_fails_the_probe(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    local = sink(tmp_path, path="taken/points.jsonl")
    async with local.open():
        with pytest.raises(SinkUnavailable, match="taken"):
            await local.write([envelope(1.0)])
    late = sink(tmp_path, path="folder")
    (tmp_path / "folder").mkdir()
    assert not (await late.probe()).ok


async def test_probing_creates_nothing(tmp_path):
    assert (await sink(tmp_path, path="deep/down/points.jsonl").probe()).ok
    assert list(tmp_path.iterdir()) == []


async def test_an_invalid_point_is_rejected_and_the_others_are_written(tmp_path):
    local = sink(tmp_path)
    async with local.open():
        with pytest.raises(SinkRejected) as caught:
            await local.write([envelope(1.0), Envelope(Kind.ALERT, 1, b"nonsense"), envelope(2.0)])
    assert caught.value.which == (1,)
    assert means(local.path) == [1.0, 2.0]


@pytest.mark.parametrize("odd", ["a FIFO", "a socket", "/dev/full", "a folder"])
async def test_only_a_file_is_written(tmp_path, odd):
    late = sink(tmp_path, path="odd")
    odd_files.NO_FILE[odd][0](tmp_path / "odd")
    with pytest.raises(ConfigError, match="is not a file"):
        sink(tmp_path, path="odd")
    async with late.open():
        with pytest.raises(SinkUnavailable, match="odd"):
            await late.write([envelope(1.0)])


@pytest.mark.parametrize("path", ["buffer.db", "../..", "history/points.jsonl"])
def test_the_lines_own_files_are_no_place_for_points(tmp_path, path):
    with pytest.raises(ConfigError, match=r"belongs to the line|is a folder"):
        sink(tmp_path, path=path)
