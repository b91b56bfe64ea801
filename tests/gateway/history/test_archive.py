"""The folder of history files: complete, joined by the hour, bounded, and damage set aside."""

from types import SimpleNamespace

import numpy as np
import pytest
from fakes import batch
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.model import SECOND, Quality, SampleBatch
from gateway.history import table
from gateway.history.archive import HOUR, Archive
from gateway.history.names import Name, listed, name_of

T0 = 1_700_000_000 * SECOND // HOUR * HOUR
TAGS = ("flow", "level")
FACTS = {"line": "press-3", "site": "berlin", "started": str(T0), "config": "digest"}


def options(max_bytes=2**30, max_age=48 * HOUR):
    return SimpleNamespace(max_bytes=max_bytes, max_age=max_age, flush=60 * SECOND)


def archive(folder, reserve=0, **limits):
    return Archive(folder, options(**limits), FACTS, TAGS, reserve)


def arrivals(at, *values):
    return [(at + k * SECOND, batch(at + k * SECOND - 7, v, -v)) for k, v in enumerate(values)]


def flush(archived, at, *values):
    archived.store(arrivals(at, *values))
    archived.maintain(at)


def kept(folder):
    return [str(name) for name, _ in listed(folder)]


def values(folder):
    tables = [table.read(path) for _, path in listed(folder)]
    rows = [zip(t["tag"].to_pylist(), t["value"].to_pylist(), strict=True) for t in tables]
    return [value for part in rows for tag, value in part if tag == "flow"]


def test_a_sample_is_read_back_with_time_tag_value_quality_and_arrival(tmp_path):
    archived = archive(tmp_path)
    some = SampleBatch(
        np.array([1, 0, 1], dtype=np.int32),
        np.array([T0 - 1, T0 - 2, T0 - 3]),
        np.array([0.1 + 0.2, 5.0, np.nan]),
        np.array([Quality.GOOD, Quality.UNCERTAIN, Quality.BAD], dtype=np.uint8),
    )
    archived.store([(T0, some), (T0 + 5, None)])
    ((_, path),) = listed(tmp_path)
    rows = table.read(path)
    assert rows["tag"].to_pylist() == ["level", "flow", "level", None]
    assert rows["value"].to_pylist() == [0.1 + 0.2, 5.0, None, None]
    assert rows["quality"].to_pylist() == ["good", "uncertain", "bad", None]
    assert rows["time"].cast("int64").to_pylist() == [T0 - 1, T0 - 2, T0 - 3, T0 + 5]
    assert rows["arrived"].cast("int64").to_pylist() == [T0, T0, T0, T0 + 5]
    assert table.facts_of(rows.schema) == {"history": "1", **FACTS}


def test_the_files_of_an_hour_become_one_when_the_hour_is_over(tmp_path):
    archived = archive(tmp_path)
    for minute in range(3):
        flush(archived, T0 + minute * 60 * SECOND, minute)
    assert len(kept(tmp_path)) == 3
    flush(archived, T0 + HOUR, 9)
    assert [name.split("_")[1:3] for name in kept(tmp_path)] == [["run1", "1-3"], ["run1", "4-4"]]
    assert values(tmp_path) == [0, 1, 2, 9]
    assert table.read_facts(listed(tmp_path)[0][1]) == {"history": "1", **FACTS}


def test_large_files_are_joined_within_the_hour(tmp_path):
    archived = archive(tmp_path, max_bytes=2**16)
    for minute in range(6):
        flush(archived, T0 + minute * 60 * SECOND, *range(20))
    assert len(kept(tmp_path)) < 6
    assert values(tmp_path) == [*range(20)] * 6


def test_each_start_is_a_new_run_and_joins_files_of_the_last_one(tmp_path):
    for start in range(3):
        archived = archive(tmp_path)
        flush(archived, T0 + 2 * start * SECOND, 1.0)
        flush(archived, T0 + (2 * start + 1) * SECOND, 2.0)
    runs = [name.run for name, _ in listed(tmp_path)]
    assert runs == [1, 3, 5, 5]
    assert values(tmp_path) == [1.0, 2.0] * 3


def test_the_oldest_files_are_deleted_beyond_bytes_or_age(tmp_path):
    archived = archive(tmp_path, max_age=3 * HOUR)
    for hour in range(6):
        flush(archived, T0 + hour * HOUR, hour)
    assert values(tmp_path) == [2, 3, 4, 5]
    size = archived.facts()["bytes"]
    smaller = archive(tmp_path, max_bytes=size * 6 // 10)
    smaller.maintain(T0 + 5 * HOUR)
    assert values(tmp_path) == [4, 5]
    assert smaller.facts()["bytes"] <= size * 6 // 10
    assert smaller.facts()["oldest_at"] == T0 + 4 * HOUR


def test_history_is_deleted_when_the_disk_has_little_space(tmp_path):
    flush(archive(tmp_path), T0, 1.0)
    with pytest.raises(OSError, match="less free space"):
        archive(tmp_path, reserve=2**60).store(arrivals(T0, 1.0))
    assert kept(tmp_path) == []


def test_a_file_that_a_crash_left_unfinished_is_set_aside(tmp_path):
    flush(archive(tmp_path), T0, 1.0)
    torn = tmp_path / "20231114T220000Z_run1_2-2.unfinished"
    torn.write_bytes(b"PAR1 and no more")
    archived = archive(tmp_path)
    assert not torn.exists()
    assert torn.with_name(torn.name + ".torn").exists()
    assert (archived.set_aside, values(tmp_path)) == (1, [1.0])


def test_a_crash_between_joining_and_deleting_duplicates_nothing(tmp_path):
    archived = archive(tmp_path)
    flush(archived, T0, 1.0)
    flush(archived, T0 + SECOND, 2.0)
    parts = {path: path.read_bytes() for _, path in listed(tmp_path)}
    flush(archived, T0 + HOUR, 3.0)
    for path, content in parts.items():
        path.write_bytes(content)
    archive(tmp_path)
    assert values(tmp_path) == [1.0, 2.0, 3.0]


def test_set_aside_files_are_deleted_first(tmp_path):
    archived = archive(tmp_path)
    (tmp_path / "x.parquet.damaged").write_bytes(b"x" * 10_000)
    flush(archived, T0, 1.0)
    archive(tmp_path, max_bytes=10_000).maintain(T0)
    assert not (tmp_path / "x.parquet.damaged").exists()
    assert values(tmp_path) == [1.0]


@settings(max_examples=100, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_becomes_a_value(tmp_path_factory, at, bit):
    folder = tmp_path_factory.mktemp("flipped")
    archived = archive(folder)
    flush(archived, T0, *range(40))
    flush(archived, T0 + 100 * SECOND, *range(40, 50))
    (_, path), _ = listed(folder)
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    path.write_bytes(data)
    flush(archived, T0 + HOUR, 50)
    assert values(folder) in ([*range(51)], [*range(40, 51)])


@given(
    st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 4 * 10**9)
)
def test_a_name_is_parsed_to_its_parts(tmp_path_factory, run, first, more, seconds):
    name = Name(run, first, first + more, seconds * SECOND, more)
    assert name_of(tmp_path_factory.getbasetemp() / str(name)) == name
