"""Trends from the recorded files: each sample once, damaged files named, a bounded time."""

from types import SimpleNamespace

import numpy as np
import pytest
from fakes import batch, tag

from gateway.api.model import SECOND
from gateway.core.trends import TrendBins
from gateway.history.archive import HOUR, Archive
from gateway.history.names import listed
from gateway.history.trend import read_trend

T0 = 1_700_000_000 * SECOND // HOUR * HOUR
MINUTE = 60 * SECOND
OPTIONS = SimpleNamespace(max_bytes=2**30, max_age=48 * HOUR, flush=MINUTE)
TAGS = {0: tag("flow"), 1: tag("level")}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three hours with a flush each 10 minutes; the first two are joined to files of an hour."""
    folder = tmp_path_factory.mktemp("recorded")
    written = Archive(folder, OPTIONS, {"started": str(T0)}, ["flow", "level"], reserve=0)
    for ten in range(18):
        first = T0 + ten * 10 * MINUTE
        written.store([(t + 7, sample(t)) for t in range(first, first + 10 * MINUTE, SECOND)])
    written.maintain(T0 + 3 * HOUR - 1)
    assert len(listed(folder)) == 2 + 6
    return folder


def sample(at):
    return batch(at, (at - T0) / SECOND, 5.0)


def trend(folder, since, until, waiting=(), most=60, **more):
    bins = TrendBins(TAGS, since, until, most)
    why = read_trend(folder, bins, waiting, **more)
    return bins.trends(), why


def test_every_sample_is_counted_once_wherever_it_is(recorded):
    end = T0 + 3 * HOUR
    waiting = [(end + 7, sample(end)), (end + 8, None)]
    (flow, level), why = trend(recorded, T0, end + MINUTE, waiting, most=181)
    assert why == ""
    assert flow.min.tolist() == [float(60 * n) for n in range(181)]
    assert flow.mean[:180].tolist() == [60 * n + 29.5 for n in range(180)]
    assert flow.max[-2:].tolist() == [60 * 180 - 1.0, 10_800.0]
    assert (level.mean == 5.0).all()


def test_only_a_span_is_read(recorded):
    since = T0 + HOUR + 7 * MINUTE
    (flow, _), _ = trend(recorded, since, since + MINUTE)
    assert np.nanmin(flow.min) == 67 * 60
    assert np.nanmax(flow.max) == 67 * 60 + 59


def test_a_damaged_file_is_named_and_the_others_are_read(recorded, tmp_path):
    for _, path in listed(recorded):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    _, damaged = listed(tmp_path)[1]
    damaged.write_bytes(damaged.read_bytes()[:-100] + bytes(100))
    (flow, _), why = trend(tmp_path, T0, T0 + 3 * HOUR, most=180)
    assert damaged.name in why
    assert np.isnan(flow.mean).sum() == 60


def test_what_takes_too_long_is_left_out_oldest_first(recorded, monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr("gateway.history.trend.time", SimpleNamespace(monotonic=ticks.__next__))
    (flow, _), why = trend(recorded, T0, T0 + 3 * HOUR, most=180, within_s=2.5)
    assert "could not be read within 2.5 s" in why
    assert np.isnan(flow.mean[:160]).all()
    assert not np.isnan(flow.mean[-20:]).any()


def test_without_a_folder_only_what_waits_is_there(tmp_path):
    (flow, _), why = trend(tmp_path / "none", T0, T0 + MINUTE, [(T0, sample(T0))])
    assert (why, flow.mean[0]) == ("", 0.0)
