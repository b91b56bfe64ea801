"""Excerpts of the recorded samples: each sample once, however the files are laid out."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import batch

from gateway.api.model import SECOND, SampleBatch
from gateway.history import table
from gateway.history.archive import HOUR, Archive
from gateway.history.excerpt import excerpt
from gateway.history.names import listed

T0 = 1_700_000_000 * SECOND // HOUR * HOUR
MINUTE = 60 * SECOND
OPTIONS = SimpleNamespace(max_bytes=2**30, max_age=48 * HOUR, flush=MINUTE)
NUMBER = {"flow": 0, "level": 1}


def archive(folder):
    return Archive(folder, OPTIONS, {"started": str(T0)}, list(NUMBER), reserve=0)


def arrivals(at, count):
    """Samples that arrive 7 ns after their time: flow counts up, level down."""
    times = [at + k * SECOND for k in range(count)]
    return [(t + 7, batch(t, t // SECOND, -(t // SECOND))) for t in times]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three hours with a flush each minute; the first two are joined to files of an hour."""
    folder = tmp_path_factory.mktemp("recorded")
    written = archive(folder)
    for minute in range(3 * 60):
        written.store(arrivals(T0 + minute * MINUTE, 60))
    written.maintain(T0 + 3 * HOUR - 1)
    assert len(listed(folder)) == 2 + 60
    return folder


@pytest.fixture
def folder(tmp_path, recorded):
    return shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)


def times(samples, tag=0):
    return samples.at[samples.tag == tag].tolist()


@pytest.mark.parametrize(
    "start", [T0 + 30 * MINUTE, T0 + 2 * HOUR - MINUTE, T0 + 3 * HOUR - MINUTE]
)
def test_every_sample_of_the_span_appears_once_both_ends_included(folder, start):
    samples, damaged = excerpt(folder, (start, start + MINUTE), NUMBER)
    end = min(start + MINUTE, T0 + 3 * HOUR - SECOND)
    assert times(samples) == times(samples, 1) == list(range(start, end + 1, SECOND))
    assert samples.value[samples.tag == 0].tolist() == [t // SECOND for t in times(samples)]
    assert damaged == []


def test_only_files_that_may_overlap_the_span_are_opened(folder, monkeypatch):
    opened, groups = [], table.groups
    noted = lambda path, span: opened.append(path) or groups(path, span)  # noqa: E731
    monkeypatch.setattr(table, "groups", noted)
    excerpt(folder, (T0 + 2 * HOUR + 30 * SECOND, T0 + 2 * HOUR + 40 * SECOND), NUMBER)
    names = [path.name for path in opened]
    assert names
    assert not any("_1-60_" in name or "_61-120_" in name for name in names)


def test_only_the_row_groups_of_the_span_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.history.archive.GROUP", 1_000)
    written = archive(tmp_path)
    for minute in range(60):
        written.store(arrivals(T0 + minute * MINUTE, 60))
    written.maintain(T0 + 2 * HOUR)
    ((_, path),) = listed(tmp_path)
    some = sum(map(len, table.groups(path, (T0, T0 + SECOND))))
    assert some < 2_000 < len(table.read(path))
    samples, _ = excerpt(tmp_path, (T0, T0 + SECOND), NUMBER)
    assert times(samples) == [T0, T0 + SECOND]


def test_samples_that_wait_in_memory_are_included(folder):
    late = T0 + 3 * HOUR
    samples, _ = excerpt(
        folder, (late - SECOND, late + SECOND), NUMBER, [*arrivals(late, 5), (1, None)]
    )
    assert times(samples) == [late - SECOND, late, late + SECOND]


def test_other_tags_are_left_out(folder):
    samples, _ = excerpt(folder, (T0, T0 + SECOND), {"level": 5}, [(T0, batch(T0, 1.0))])
    assert set(samples.tag.tolist()) == {5}


def test_a_late_sample_is_found_by_its_own_time(tmp_path):
    written = archive(tmp_path)
    written.store(arrivals(T0, 60))
    written.store([(T0 + 40 * MINUTE, batch(T0 + SECOND // 2, 9.0))])
    samples, _ = excerpt(tmp_path, (T0, T0 + SECOND), {"flow": 0})
    assert samples.at.tolist() == [T0, T0 + SECOND // 2, T0 + SECOND]
    assert samples.value[1] == 9.0


def test_a_clock_that_went_back_hides_no_file(tmp_path):
    written = archive(tmp_path)
    written.store(arrivals(T0 + HOUR, 60))
    written.store(arrivals(T0, 60))
    for start in (T0 + HOUR, T0):
        samples, _ = excerpt(tmp_path, (start, start + 10 * SECOND), {"flow": 0})
        assert len(samples) == 11


def test_a_damaged_file_is_named_and_only_its_own_samples_are_missing(folder):
    broken = next(path for name, path in listed(folder) if name.first == 121)
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    start = T0 + 2 * HOUR
    samples, damaged = excerpt(folder, (start - MINUTE, start + 2 * MINUTE), {"flow": 0})
    assert damaged == [broken.name]
    assert set(times(samples)) == {
        t for t in range(start - MINUTE, start + 2 * MINUTE + 1, SECOND)
        if not start <= t < start + MINUTE
    }  # fmt: skip


def test_parts_that_a_crash_left_beside_the_joined_file_count_once(folder):
    parts = [path for name, path in listed(folder) if name.is_part]
    kept = {path: path.read_bytes() for path in parts}
    archive(folder).maintain(T0 + 9 * HOUR)
    for path, content in kept.items():
        path.write_bytes(content)
    start = T0 + 2 * HOUR + 30 * MINUTE
    samples, _ = excerpt(folder, (start, start + MINUTE), {"flow": 0})
    assert times(samples) == list(range(start, start + MINUTE + 1, SECOND))


def test_each_sample_has_its_quality_and_bad_ones_have_no_value(tmp_path):
    some = SampleBatch(
        np.zeros(3, dtype=np.int32),
        np.array([T0, T0 + 1, T0 + 2]),
        np.array([1.0, 2.0, np.nan]),
        np.array([0, 1, 2], dtype=np.uint8),
    )
    archive(tmp_path).store([(T0 + 5, some)])
    samples, _ = excerpt(tmp_path, (T0, T0 + 2), {"flow": 0})
    assert samples.quality.tolist() == [0, 1, 2]
    assert np.isnan(samples.value[2])


def test_a_missing_folder_has_no_samples(tmp_path):
    samples, _ = excerpt(tmp_path / "history", (T0, T0 + HOUR), NUMBER, arrivals(T0, 2))
    assert len(samples) == 4
