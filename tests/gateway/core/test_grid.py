"""Cells, what is held in them, and windows cut from them, by value. Cells of 10 ns."""

import numpy as np
import pytest

from gateway.api.model import Quality, SampleBatch, Tag
from gateway.core.grid import NEVER, Grid, cell_of, hold_limits, resample, windows

NAN = float("nan")
GOOD, BAD = Quality.GOOD, Quality.BAD


def grid(tags=1, hold=30, first_cell=1):
    return Grid(tags, 10, np.full(tags, hold, dtype=np.int64), first_cell)


def batch(*samples):
    """Samples as (tag, time in ns, value[, quality])."""
    rows = [(*sample, GOOD)[:4] for sample in samples]
    tag, at, value, quality = zip(*rows, strict=True)
    return SampleBatch(
        np.array(tag, dtype=np.int32),
        np.array(at, dtype=np.int64),
        np.array(value, dtype=np.float64),
        np.array(quality, dtype=np.uint8),
    )


def push(target, *samples):
    one = batch(*samples)
    target.push(one.tag, one.at, one.value, one.quality)


def column(rows, tag=0):
    """A tag's values, None where nothing was observed."""
    pairs = zip(rows.values[:, tag].tolist(), rows.observed[:, tag].tolist(), strict=True)
    return [value if observed else None for value, observed in pairs]


def test_a_cell_ends_at_its_own_time_and_begins_behind_the_one_before():
    at = np.array([0, 1, 9, 10, 11, 20, 21], dtype=np.int64)
    assert cell_of(at, 10).tolist() == [0, 1, 1, 1, 2, 2, 3]


def test_cells_carry_their_ends_as_times():
    rows = grid(first_cell=7).close(3)
    assert rows.times.tolist() == [70, 80, 90]
    assert rows.times.dtype == np.int64
    assert rows.observed.tolist() == [[False]] * 3
    assert np.isnan(rows.values).all()


def test_a_cell_holds_the_mean_of_its_good_samples_by_tag():
    cells = grid(tags=2)
    push(cells, (0, 1, 2.0), (0, 10, 4.0), (1, 5, 8.0), (0, 11, 7.0), (1, 9, NAN, BAD))
    rows = cells.close(2)
    assert rows.values.tolist()[0] == [3.0, 8.0]
    assert column(rows, 0) == [3.0, 7.0]
    assert column(rows, 1) == [8.0, None]


def test_samples_that_come_in_several_pushes_share_their_cell():
    cells = grid()
    push(cells, (0, 1, 1.0))
    push(cells, (0, 25, 9.0))
    push(cells, (0, 2, 3.0))
    assert column(cells.close(3)) == [2.0, 2.0, 9.0]


def test_the_last_cells_mean_is_held_while_the_good_sample_is_young_enough():
    cells = grid(hold=30)
    push(cells, (0, 10, 5.0))
    assert column(cells.close(5)) == [5.0, 5.0, 5.0, 5.0, None]


def test_the_hold_limit_is_each_tags_own():
    cells = Grid(2, 10, np.array([10, 20], dtype=np.int64), 1)
    push(cells, (0, 10, 5.0), (1, 10, 6.0))
    rows = cells.close(4)
    assert column(rows, 0) == [5.0, 5.0, None, None]
    assert column(rows, 1) == [6.0, 6.0, 6.0, None]


def test_the_hold_goes_on_over_several_closings():
    cells = grid(hold=20)
    push(cells, (0, 10, 5.0))
    assert [column(cells.close(1)) for _ in range(4)] == [[5.0], [5.0], [5.0], [None]]


def test_a_bad_sample_ends_the_hold():
    cells = grid()
    push(cells, (0, 5, 5.0), (0, 15, NAN, BAD))
    assert column(cells.close(3)) == [5.0, None, None]


def test_a_bad_sample_of_the_same_instant_ends_the_hold():
    cells = grid()
    push(cells, (0, 5, 5.0), (0, 5, NAN, BAD))
    assert column(cells.close(2)) == [5.0, None]


def test_a_good_sample_behind_a_bad_one_is_held():
    cells = grid()
    push(cells, (0, 5, NAN, BAD), (0, 6, 5.0))
    assert column(cells.close(2)) == [5.0, 5.0]


def test_a_bad_sample_of_a_cell_that_is_closed_ends_the_hold():
    cells = grid()
    push(cells, (0, 5, 5.0))
    assert column(cells.close(1)) == [5.0]
    push(cells, (0, 7, NAN, BAD))
    assert cells.late == 1
    assert column(cells.close(1)) == [None]


def test_a_late_bad_sample_from_before_the_held_one_changes_nothing():
    cells = grid()
    push(cells, (0, 5, 5.0))
    cells.close(1)
    push(cells, (0, 4, NAN, BAD))
    assert column(cells.close(1)) == [5.0]


def test_a_late_good_sample_is_held_from_then_on_and_its_cell_stays():
    cells = grid()
    push(cells, (0, 5, 5.0))
    assert column(cells.close(2)) == [5.0, 5.0]
    push(cells, (0, 16, 8.0), (0, 18, 9.0), (0, 17, 7.0))
    assert cells.late == 3
    assert column(cells.close(3)) == [9.0, 9.0, None]


def test_a_late_good_sample_older_than_the_held_one_or_as_old_changes_nothing():
    cells = grid()
    push(cells, (0, 15, 5.0))
    cells.close(2)
    push(cells, (0, 14, 1.0), (0, 15, 2.0))
    assert column(cells.close(1)) == [5.0]


def test_late_and_timely_samples_of_one_push_are_separated():
    cells = grid(tags=2)
    cells.close(2)
    push(cells, (0, 15, 1.0), (1, 25, 2.0), (1, 16, NAN, BAD), (0, 31, 3.0), (0, 26, NAN, BAD))
    assert cells.late == 2
    rows = cells.close(2)
    assert column(rows, 0) == [None, 3.0]
    assert column(rows, 1) == [2.0, 2.0]


def test_a_push_of_nothing_but_late_samples_opens_no_cell():
    cells = grid()
    cells.close(1)
    push(cells, (0, 3, 1.0))
    assert cells.late == 1
    assert column(cells.close(1)) == [1.0]


def test_a_push_without_samples_changes_nothing():
    cells = grid()
    empty = batch((0, 5, 1.0)).rows(slice(0))
    cells.push(empty.tag, empty.at, empty.value, empty.quality)
    assert cells.late == 0
    assert column(cells.close(1)) == [None]


def test_what_was_carried_goes_on_in_another_grid():
    first, second = grid(hold=30), grid(hold=30, first_cell=2)
    assert [part.tolist()[0] for part in first.carried()[1:]] == [NEVER, NEVER]
    push(first, (0, 8, 5.0), (0, 3, NAN, BAD))
    first.close(1)
    value, good_at, bad_at = first.carried()
    assert (value.tolist(), good_at.tolist(), bad_at.tolist()) == ([5.0], [8], [3])
    second.carry(value, good_at, bad_at)
    assert column(second.close(3)) == [5.0, 5.0, None]


def test_closing_no_cell_keeps_what_is_open():
    cells = grid()
    push(cells, (0, 5, 5.0))
    assert len(cells.close(0).times) == 0
    assert cells.next_cell == 1
    assert column(cells.close(1)) == [5.0]
    assert cells.next_cell == 2


ROWS = np.arange(1, 13, dtype=np.int64) * 10, np.arange(24.0).reshape(12, 2)
SEEN = np.ones((12, 2), dtype=np.bool_)


def cut(length, hop, rows=slice(None), **more):
    times, values = ROWS
    return windows(times[rows], values[rows], SEEN[rows], length, hop, **more)


def test_windows_end_on_multiples_of_the_hop_and_are_full():
    cut_windows = cut(3, 4)
    assert [(w.start, w.end, w.period) for w in cut_windows] == [
        (20, 40, 10),
        (60, 80, 10),
        (100, 120, 10),
    ]
    assert cut_windows[0].values.tolist() == [[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
    assert cut_windows[0].observed.shape == (3, 2)


def test_the_first_full_window_is_there():
    assert [w.end for w in cut(3, 1)][:2] == [30, 40]
    assert [w.end for w in cut(12, 1)] == [120]
    assert cut(13, 1) == []


def test_rows_before_since_are_history_only():
    assert [w.end for w in cut(3, 1, since=9)] == [100, 110, 120]
    assert [w.end for w in cut(3, 1, since=11)] == [120]
    assert cut(3, 1, since=12) == []


def test_the_period_of_a_single_row_is_given():
    (window,) = cut(1, 2, slice(1, 2), period=10)
    assert (window.start, window.period, window.values.tolist()) == (20, 10, [[2.0, 3.0]])
    assert cut(1, 3, slice(1, 2), period=10) == []


def test_a_given_period_counts_and_not_the_spacing_of_the_rows():
    assert [w.period for w in cut(12, 1, period=5)] == [5]


HOLD = np.array([20], dtype=np.int64)


def test_a_recording_begins_with_its_first_cell_and_ends_with_its_last():
    rows = resample([batch((0, 32, 1.0), (0, 55, 3.0), (0, 51, 5.0))], 1, 10, HOLD)
    assert rows.times.tolist() == [40, 50, 60]
    assert column(rows) == [1.0, 1.0, 4.0]


def test_a_cell_that_goes_on_in_the_next_batch_is_whole():
    parts = [batch((0, 32, 1.0)), batch((0, 39, 5.0)), batch((0, 41, 2.0))]
    rows = resample(parts, 1, 10, HOLD)
    assert rows.times.tolist() == [40, 50]
    assert column(rows) == [3.0, 2.0]


def test_empty_batches_are_passed_over():
    empty = batch((0, 5, 1.0)).rows(slice(0))
    rows = resample([empty, batch((0, 12, 1.0)), empty], 1, 10, HOLD)
    assert rows.times.tolist() == [20]
    nothing = resample([empty], 1, 10, HOLD)
    assert (nothing.times.shape, nothing.values.shape) == ((0,), (0, 1))


def test_a_value_is_held_for_the_tags_own_periods_and_at_least_for_a_cell():
    tags = [Tag("fast", "plc", 2), Tag("slow", "plc", 25), Tag("half", "plc", 10)]
    limits = hold_limits(tags, 10, 2.5)
    assert limits.tolist() == [10, 62, 25]
    assert limits.dtype == np.int64


@pytest.mark.parametrize("hold", [0, 9])
def test_a_hold_shorter_than_a_cell_fills_only_cells_with_samples(hold):
    cells = grid(hold=hold)
    push(cells, (0, 10, 5.0))
    assert column(cells.close(2)) == [5.0, None]
