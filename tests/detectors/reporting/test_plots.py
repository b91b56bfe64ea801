import re

import numpy as np
import pytest

from detectors.reporting import plots
from gateway.api.model import SECOND

START = 1_767_225_600 * SECOND


def times(count, step=SECOND):
    return START + np.arange(count, dtype=np.int64) * step


@pytest.mark.parametrize("step_s", [0.01, 1, 60, 3600, 86400])
@pytest.mark.parametrize("count", [2, 50, 130, 1000])
def test_data_of_any_length_is_plotted(count, step_s):
    # The test settings turn the library's warnings into errors.
    at = times(count, int(step_s * SECOND))
    values = np.sin(np.arange(count))
    for svg in (plots.tag(at, values), plots.around(at, values, (int(at[0]), int(at[1])))):
        assert svg.startswith("<svg")
        assert len(svg) < 100_000


def test_many_points_are_plotted_as_their_range():
    values = np.random.default_rng(1).normal(size=100_000)
    values[54_321] = 99.0
    shown = plots.downsampled(times(100_000), values)
    assert len(shown.at) == plots.POINTS
    assert shown.high.max() == 99.0
    assert (shown.low <= shown.mean).all()
    assert shown.mean.mean() == pytest.approx(values.mean())


@pytest.mark.parametrize("count", [300, 5000])
def test_a_gap_stays_empty(count):
    at, values = times(count), np.arange(count, dtype=float)
    at[count // 2 :] += count * SECOND
    shown = plots.downsampled(at, values)
    assert np.isnan(shown.mean).any()
    values[: count // 2] = np.nan
    before = plots.downsampled(at, values)
    assert np.isnan(before.mean[before.at < np.datetime64(int(at[count // 2 - 1]), "ns")]).all()


def test_data_without_scores_gives_an_empty_plot():
    svg = plots.scores(times(100), np.full(100, np.nan), 2.0)
    assert svg.startswith("<svg")


def test_scores_far_above_the_threshold_do_not_hide_those_below():
    values = np.full(100, 0.5)
    marks = ">10<", ">100<", ">1000<"
    assert not any(mark in plots.scores(times(100), values, 1.0) for mark in marks)
    values[50] = 1000
    # On a logarithmic axis with plain numbers, half a threshold is still visible.
    assert all(mark in plots.scores(times(100), values, 1.0) for mark in marks)


def test_alarms_are_numbered_as_far_as_the_numbers_are_legible():
    at = times(1000)
    spans = [(int(at[n]), int(at[n + 2])) for n in range(0, 1000, 10)]
    svg = plots.scores(at, np.ones(1000), 2.0, spans)
    numbers = [n for n in range(1, 101) if f">{n}</text>" in svg]
    # All hundred numbers would overlap.
    assert numbers == list(range(1, 101, 3))


def test_the_same_data_gives_the_same_bytes_without_external_references():
    at, values = times(500), np.cos(np.arange(500))
    assert plots.tag(at, values) == plots.tag(at, values)
    assert "http" not in re.sub(r' xmlns(:xlink)?="[^"]*"', "", plots.tag(at, values))
