import numpy as np
import pytest

from detectors.data.recordings import Recording
from detectors.data.resample import aligned, cut_windows, typical_step
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Tag
from gateway.history.as_live import as_live

START = 1_767_225_600 * SECOND


def recorded(times, *columns):
    names = tuple(f"tag{n}" for n in range(len(columns)))
    return Recording(
        names, START + np.array(times, dtype=np.int64) * SECOND, np.array(columns).T, {}
    )


def test_the_period_is_the_median_step_in_whole_milliseconds():
    jitter = np.random.default_rng(1).integers(-400_000, 400_000, 100)
    assert typical_step(START + np.arange(100) * SECOND // 2 + jitter) == SECOND // 2


def test_rows_at_the_same_time_do_not_count_as_a_step():
    assert typical_step(np.repeat(START + np.arange(10) * SECOND, 3)) == SECOND


def test_one_row_has_no_period():
    with pytest.raises(ConfigError, match="only one row"):
        typical_step(np.array([START]))


def test_windows_contain_the_recorded_rows():
    windows = cut_windows(recorded(range(1, 6), [1.0, 2, 3, 4, 5]), SECOND, 3, 1, {})
    assert [window.values[:, 0].tolist() for window in windows] == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert windows[0].end == START + 3 * SECOND


def test_a_faster_recording_is_averaged_into_cells():
    windows = cut_windows(recorded(range(1, 13), list(range(1, 13))), 2 * SECOND, 2, 1, {})
    assert windows[0].values[:, 0].tolist() == [1.5, 3.5]


def test_data_with_hardly_a_row_per_window_is_refused():
    """A row a day, cut for a model of a row a second, would be millions of invented rows."""
    daily = recorded([day * 86_400 for day in range(1, 900)], [float(day) for day in range(1, 900)])
    with pytest.raises(ConfigError, match=r"one row every 1d, too few .* every 1s"):
        cut_windows(daily, SECOND, 3, 1, {})


def test_no_window_spans_a_long_gap():
    later = 1_000_000
    times = [1, 2, 3, 4, later + 1, later + 2, later + 3]
    windows = cut_windows(recorded(times, [float(t) for t in times]), SECOND, 3, 1, {})
    assert len(windows) == 3
    assert all(window.observed.all() for window in windows)


def test_a_slow_tag_is_held_for_its_own_period():
    times = list(range(1, 31))
    slow = [float(t) if t % 5 == 0 else np.nan for t in times]
    windows = cut_windows(recorded(times, [1.0 * t for t in times], slow), SECOND, 5, 1, {})
    last = windows[-3]
    assert last.observed.all()
    assert last.values[:, 1].tolist() == [20, 25, 25, 25, 25]


def test_the_line_files_period_decides_how_long_a_value_is_held():
    times = list(range(1, 31))
    values = [1.0] * 10 + [np.nan] * 20
    fast = cut_windows(recorded(times, [1.0 * t for t in times], values), SECOND, 1, 1, {})
    slow = cut_windows(
        recorded(times, [1.0 * t for t in times], values), SECOND, 1, 1, {"tag1": 5 * SECOND}
    )
    assert sum(int(window.observed[0, 1]) for window in fast) == 13
    assert sum(int(window.observed[0, 1]) for window in slow) == 25


def test_nothing_is_held_past_a_bad_value_as_on_a_line():
    times = np.arange(1, 11, dtype=np.int64) * SECOND
    values = np.arange(10.0)[:, None]
    values[4] = 900
    source = Recording(("flow",), times, values, {})
    empty = source._replace(values=np.where(values > 100, np.nan, values))
    bad = as_live(source, {"flow": Tag("flow", "plc", SECOND, high=100.0)}).recording
    [held] = aligned(empty, SECOND, {})
    assert held.observed.all()
    [rows] = aligned(bad, SECOND, {})
    assert np.flatnonzero(~rows.observed[:, 0]).tolist() == [4]
    assert np.isnan(rows.values[4, 0])
