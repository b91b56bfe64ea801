import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND, Quality, SampleBatch, Tag, WindowSpec
from gateway.core.align import Aligner
from gateway.core.grid import hold_limits, resample, windows

S = SECOND
START = 1_700_000_000 * S


def tag(name, period=S):
    return Tag(name, "plc", period)


def batch(*samples):
    """Samples as (tag, seconds since START, value[, quality])."""
    rows = [(*sample, Quality.GOOD)[:4] for sample in samples]
    tags, at, values, quality = zip(*rows, strict=True)
    return SampleBatch(
        np.array(tags, dtype=np.int32),
        np.array([START + round(a * S) for a in at], dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.array(quality, dtype=np.uint8),
    )


def aligner(tags, spec, lateness=0, hold=3.0, now=START):
    return Aligner({"d": spec}, tags, lateness=lateness, hold_periods=hold, now=now)


def ends(windows):
    return [(w.end - START) / S for w in windows.get("d", [])]


def test_a_cell_holds_the_mean_of_its_good_samples():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START)
    line.push(batch((0, 0.2, 1.0), (0, 0.9, 3.0), (0, 1.0, 5.0)))
    windows = line.advance(START + S)
    assert windows["d"][0].values.tolist() == [[3.0]]
    assert windows["d"][0].observed.all()


def test_a_silent_tag_is_held_for_its_own_periods_and_then_not_observed():
    line = aligner([tag("a"), tag("b", 2 * S)], WindowSpec(("a", "b"), S, 8))
    line.advance(START)
    line.push(batch((0, 1.0, 10.0), (1, 1.0, 20.0)))
    window = line.advance(START + 8 * S)["d"][-1]
    assert window.observed[:, 0].tolist() == [True] * 4 + [False] * 4
    assert window.observed[:, 1].tolist() == [True] * 7 + [False]
    assert np.isnan(window.values[7]).all()
    assert window.values[3].tolist() == [10.0, 20.0]


def test_a_bad_sample_ends_the_hold_at_once():
    line = aligner([tag("a")], WindowSpec(("a",), S, 3))
    line.advance(START)
    line.push(batch((0, 0.5, 7.0), (0, 1.5, np.nan, Quality.BAD)))
    window = line.advance(START + 3 * S)["d"][-1]
    assert window.observed[:, 0].tolist() == [True, False, False]


def test_a_window_waits_for_the_lateness():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1), lateness=S // 2)
    line.advance(START + S // 2)
    line.push(batch((0, 0.7, 1.0)))
    assert line.advance(START + S) == {}
    assert line.next_close() == START + S + S // 2
    assert ends(line.advance(START + S + S // 2)) == [1.0]


def test_late_samples_are_counted_and_only_refresh_what_is_held():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START)
    line.push(batch((0, 0.5, 1.0)))
    assert line.advance(START + 2 * S)["d"][1].values.tolist() == [[1.0]]
    line.push(batch((0, 1.8, 9.0)))
    assert line.late == 1
    assert line.advance(START + 3 * S)["d"][0].values.tolist() == [[9.0]]


def test_a_sample_from_the_future_is_counted_and_dropped():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START)
    line.push(batch((0, 3600, 1.0)))
    assert line.future == 1
    assert np.isnan(line.advance(START + S)["d"][0].values).all()


@pytest.mark.parametrize("step", [-3600, 7200])
def test_a_stepping_clock_starts_the_grid_anew(step):
    line = aligner([tag("a")], WindowSpec(("a",), S, 2))
    line.advance(START + 10 * S)
    assert line.advance(START + step * S) == {}, "a step closes nothing"
    line.push(batch((0, step + 0.5, 4.0), (0, step + 1.5, 5.0)))
    line.advance(START + (step + 1) * S)
    assert ends(line.advance(START + (step + 2) * S)) == [step + 2]


def test_windows_end_on_multiples_of_the_hop_whenever_the_line_starts():
    for offset in (0, 1, 3):
        now = START + offset * S
        line = aligner([tag("a")], WindowSpec(("a",), S, 4, hop=5), now=now)
        closed = ends(line.advance(START + 21 * S))
        assert closed == [e for e in (5.0, 10.0, 15.0, 20.0) if e > offset]


def test_before_the_start_nothing_was_observed():
    line = aligner([tag("a")], WindowSpec(("a",), S, 3))
    line.advance(START)
    line.push(batch((0, 0.5, 7.0)))
    (window,) = line.advance(START + S)["d"]
    assert window.observed[:, 0].tolist() == [False, False, True]
    assert window.start == START - S


def test_a_window_of_one_row_keeps_its_hop():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1, hop=3))
    line.advance(START)
    closed = [end for k in range(1, 10) for end in ends(line.advance(START + k * S))]
    assert len(closed) == 3
    assert {b - a for a, b in itertools.pairwise(closed)} == {3.0}


samples = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, 300).map(lambda tenths: tenths / 10),
        st.floats(-1e6, 1e6),
        st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.BAD, Quality.UNCERTAIN]),
    ),
    min_size=1,
    max_size=60,
)


@given(samples)
def test_live_alignment_and_resampling_of_the_recording_agree(rows):
    tags = [tag("a"), tag("b", 2 * S), tag("c", 5 * S)]
    rows.sort(key=lambda row: row[1])
    recorded = batch(*rows)
    hold = hold_limits(tags, S, 3.0)
    whole = resample([recorded], 3, S, hold)
    offline = windows(*whole, 3, 2)
    # Memory is bounded by taking a recording in parts, which must change nothing.
    parts = resample([recorded.rows(slice(n, n + 1)) for n in range(len(recorded))], 3, S, hold)
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")

    line = Aligner(
        {"d": WindowSpec(("a", "b", "c"), S, 3, 2)},
        tags,
        lateness=0,
        hold_periods=3.0,
        now=int(whole.times[0]) - S,
    )
    line.advance(int(whole.times[0]) - S)
    live = []
    for end in whole.times:
        due = recorded.at <= end
        due &= recorded.at > end - S
        line.push(
            SampleBatch(
                recorded.tag[due], recorded.at[due], recorded.value[due], recorded.quality[due]
            )
        )
        live += line.advance(int(end)).get("d", [])
    # Live there are windows from the first cell on; a recording gives the whole ones.
    live = [window for window in live if window.start >= whole.times[0]]
    assert [w.end for w in live] == [w.end for w in offline]
    for one, other in zip(live, offline, strict=True):
        np.testing.assert_array_equal(one.observed, other.observed)
        np.testing.assert_allclose(one.values, other.values)
        assert np.isnan(one.values[~one.observed]).all()


def test_a_window_survives_a_restart_and_what_was_missed_is_held_or_not_observed():
    tags, spec = [tag("a"), tag("b")], WindowSpec(("b",), S, 7)
    before = aligner(tags, spec)
    before.push(batch(*[(n, k + 0.5, 10 * n + k) for n in (0, 1) for k in range(4)]))
    before.advance(START + 4 * S)

    after = aligner(tags, spec, hold=2.0, now=START + 7 * S)
    after.recall(before.memory())
    after.push(batch((1, 7.5, 99.0)))
    (window,) = after.advance(START + 8 * S)["d"]
    assert window.observed[:, 0].tolist() == [True] * 3 + [True] + [False] * 2 + [True]
    assert window.values[[0, 1, 2, 3, 6], 0].tolist() == [11.0, 12.0, 13.0, 13.0, 99.0]


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))
def test_after_a_restart_the_windows_are_those_of_a_run_that_went_on(seconds, before, after):
    """A run that saw nothing while the other one was down."""
    tags, start = [tag("a", 2 * S)], START + 100 * S
    samples = [(0, 100 + k + 0.5, float(k)) for k in range(before)]
    whole = aligner(tags, WindowSpec(("a",), S, before), now=start)
    stopped = aligner(tags, WindowSpec(("a",), S, after), now=start)
    for line in (whole, stopped):
        line.push(batch(*samples))
        line.advance(start + before * S)
    again = aligner(tags, WindowSpec(("a",), S, before), now=start + (before + seconds) * S)
    again.recall(stopped.memory())
    whole.advance(start + (before + seconds) * S)
    late = start + (before + seconds + 1) * S
    (wants,), (has,) = whole.advance(late)["d"], again.advance(late)["d"]
    rows = min(after + seconds, before)
    assert np.array_equal(has.values[-rows:], wants.values[-rows:], equal_nan=True)
    assert np.array_equal(has.observed[-rows:], wants.observed[-rows:])


@pytest.mark.parametrize("later", [-3600, 3600])
def test_a_window_of_another_hour_is_forgotten(later):
    before = aligner([tag("a")], WindowSpec(("a",), S, 4))
    before.push(batch((0, 0.5, 7.0)))
    before.advance(START + S)
    after = aligner([tag("a")], WindowSpec(("a",), S, 4), now=START + later * S)
    after.recall(before.memory())
    (window,) = after.advance(START + (later + 1) * S)["d"]
    assert not window.observed.any()


def test_a_sample_from_five_seconds_ahead_is_the_last_that_is_believed():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START)
    line.push(batch((0, 5.0, 1.0)))
    assert line.future == 0
    line.push(batch((0, 5.0 + 1e-6, 2.0), (0, 4.5, 3.0), (0, 9, 4.0)))
    assert line.future == 2
    assert line.advance(START + 5 * S)["d"][-1].values.tolist() == [[2.0]]


def test_the_future_is_judged_by_the_last_advance():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.push(batch((0, 6.0, 1.0)))
    line.advance(START + S)
    line.push(batch((0, 6.0, 2.0)))
    assert line.future == 1


@pytest.mark.parametrize(("cells", "closed"), [(600, 600), (601, 0)])
def test_ten_minutes_of_cells_are_caught_up_with_and_no_more(cells, closed):
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START)
    assert len(line.advance(START + cells * S).get("d", ())) == closed
    assert len(line.advance(START + (cells + 1) * S)["d"]) == 1


@pytest.mark.parametrize(("back", "restarts"), [(6, False), (7, True)])
def test_a_clock_that_went_back_by_more_than_the_future_limit_restarts_the_grid(back, restarts):
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START + 100 * S)
    assert line.advance(START + (100 - back) * S) == {}
    following = line.advance(START + (101 - back) * S).get("d", ())
    assert len(following) == restarts


def test_late_samples_stay_counted_when_the_grid_restarts():
    line = aligner([tag("a")], WindowSpec(("a",), S, 1))
    line.advance(START + 2 * S)
    line.push(batch((0, 0.5, 1.0), (0, 1.5, 1.0)))
    line.advance(START + 7200 * S)
    line.push(batch((0, 7199.5, 1.0)))
    assert line.late == 3


def test_each_detector_has_cut_its_own_tags_period_and_length():
    specs = {
        "fast": WindowSpec(("b", "a"), S, 2),
        "long": WindowSpec(("a",), S, 4, hop=2),
        "slow": WindowSpec(("a",), 2 * S, 2),
    }
    line = Aligner(
        specs, [tag("a"), tag("b")], lateness=S // 2, hold_periods=3.0, now=START + S // 2
    )
    assert line.next_close() == START + S + S // 2
    line.push(batch(*[(n, k + 0.5, 10 * n + k) for n in (0, 1) for k in range(4)]))
    cut = line.advance(START + 4 * S + S // 2)
    assert set(cut) == {"fast", "long", "slow"}
    assert [w.values.tolist() for w in cut["fast"]][-1] == [[12.0, 2.0], [13.0, 3.0]]
    assert [(w.end - START) // S for w in cut["long"]] == [2, 4]
    assert cut["long"][-1].values[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert [w.values[:, 0].tolist() for w in cut["slow"]][-1] == [0.5, 2.5]
    assert {w.period for w in cut["slow"]} == {2 * S}
    assert set(line.advance(START + 5 * S + S // 2)) == {"fast"}
    assert line.advance(START + 5 * S + S // 2) == {}


def test_the_longest_window_on_a_grid_decides_how_much_is_remembered():
    specs = {"long": WindowSpec(("a",), S, 4), "short": WindowSpec(("a",), S, 2)}
    line = Aligner(specs, [tag("a")], lateness=0, hold_periods=3.0, now=START)
    memory = line.memory()
    assert {name.partition(".")[0] for name in memory} == {str(S)}
    assert memory[f"{S}.values"].shape == (3, 1)
    line.push(batch((0, 0.5, 1.0)))
    cut = line.advance(START + S)
    assert (len(cut["long"][0].values), len(cut["short"][0].values)) == (4, 2)


def test_without_detectors_nothing_is_due():
    line = Aligner({}, [tag("a")], lateness=0, hold_periods=3.0, now=START)
    assert line.next_close() is None
    line.push(batch((0, 0.5, 1.0)))
    assert line.advance(START + S) == {}
    assert line.memory() == {}


def test_the_next_cell_to_close_is_that_of_the_fastest_grid():
    specs = {"slow": WindowSpec(("a",), 10 * S, 1), "fast": WindowSpec(("a",), 4 * S, 1)}
    line = Aligner(specs, [tag("a")], lateness=3, hold_periods=3.0, now=START)
    assert line.next_close() == START + 4 * S + 3


def test_a_memory_of_the_future_or_of_other_grids_is_left():
    before = aligner([tag("a")], WindowSpec(("a",), S, 4), now=START + 60 * S)
    before.push(batch((0, 60.5, 7.0)))
    before.advance(START + 61 * S)
    after = aligner([tag("a")], WindowSpec(("a",), S, 4))
    after.recall(before.memory())
    assert after.next_close() == START + S
    other = aligner([tag("a")], WindowSpec(("a",), 2 * S, 4))
    other.recall(before.memory())
    assert not other.advance(START + 2 * S)["d"][0].observed.any()


def test_a_memory_is_taken_up_at_the_very_cell_where_it_ended():
    before = aligner([tag("a")], WindowSpec(("a",), S, 3))
    before.push(batch((0, 0.5, 7.0)))
    before.advance(START + S)
    after = aligner([tag("a")], WindowSpec(("a",), S, 3), now=START + S)
    after.recall(before.memory())
    after.push(batch((0, 1.5, 8.0)))
    (window,) = after.advance(START + 2 * S)["d"]
    assert window.values[1:, 0].tolist() == [7.0, 8.0]
    assert not window.observed[0]


def test_samples_that_came_during_a_tick_that_took_long_are_not_from_the_future():
    line = aligner([tag("flow")], WindowSpec(("flow",), S, 1))
    line.advance(START + S)
    late = START + 21 * S
    line.push(batch((0, 20.5, 7.0)), late)
    assert line.future == 0
    (*_, last) = line.advance(late)["d"]
    assert last.values[-1, 0] == 7.0


def test_a_step_of_the_clock_makes_no_grid_of_all_the_time_between():
    line = aligner([tag("flow")], WindowSpec(("flow",), S, 1))
    line.advance(START + S)
    years = 50 * 365 * 86_400
    line.push(batch((0, years, 7.0)), START + years * S)
    assert line.future == 1
