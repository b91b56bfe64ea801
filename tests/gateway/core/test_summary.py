import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND, Quality, SampleBatch, Tag
from gateway.core.summary import Summariser

S = SECOND
MINUTE = 60 * S
START = 1_700_000_040 * S  # a whole minute
TAGS = [Tag("flow", "plc", S), Tag("level", "plc", 10 * S)]
VALVE = Tag("valve", "plc", S, names={1.0: "open", 2.0: "jammed"})


def batch(*rows):
    tags, at, values, quality = zip(*[(*row, Quality.GOOD)[:4] for row in rows], strict=True)
    return SampleBatch(
        np.array(tags, dtype=np.int32),
        np.array([START + round(a * S) for a in at], dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.array(quality, dtype=np.uint8),
    )


def summariser():
    return Summariser(TAGS, MINUTE, S // 2, START)


@pytest.mark.parametrize(("last", "name"), [(2.0, "jammed"), (7.0, "")])
def test_the_last_state_of_an_interval_has_its_name_where_it_has_one(last, name):
    sums = Summariser([VALVE], MINUTE, 0, START)
    sums.push(batch((0, 1, 1.0), (0, 2, last)))
    assert [summary.last_name for summary in sums.advance(START + MINUTE)] == [name]


def test_an_interval_is_summed_up_once_it_is_over_and_the_late_have_come():
    sums = summariser()
    sums.push(batch((0, 1, 2.0), (0, 2, 4.0), (0, 3, 9.0), (0, 4, np.nan, Quality.BAD)))
    assert sums.advance(START + MINUTE) == []
    flow, level = sums.advance(START + MINUTE + S // 2)
    assert (flow.tag, flow.count, flow.bad) == ("flow", 3, 1)
    assert flow.end == START + MINUTE
    assert (flow.mean, flow.min, flow.max, flow.last) == (5.0, 2.0, 9.0, 9.0)
    assert flow.std == pytest.approx(np.std([2, 4, 9]))
    assert flow.coverage == pytest.approx(3 / 60)
    assert (level.count, level.coverage, level.mean) == (0, 0.0, None)


def test_silence_is_a_summary_without_values():
    flow, _ = summariser().advance(START + 2 * MINUTE)
    assert (flow.count, flow.bad, flow.coverage, flow.last) == (0, 0, 0.0, None)


def test_every_interval_gets_its_summary_also_after_a_pause():
    found = summariser().advance(START + 5 * MINUTE + S)
    assert [(s.end - START) // MINUTE for s in found if s.tag == "flow"] == [1, 2, 3, 4, 5]


def test_a_sample_of_a_closed_interval_is_counted_as_late():
    sums = summariser()
    sums.advance(START + 2 * MINUTE)
    sums.push(batch((0, 1, 5.0)))
    assert sums.late == 1


def test_a_sample_of_the_next_interval_waits_for_it():
    sums = summariser()
    sums.push(batch((0, 59, 1.0), (0, 61, 7.0)))
    assert sums.advance(START + MINUTE + S)[0].max == 1.0
    assert sums.advance(START + 2 * MINUTE + S)[0].min == 7.0


def test_a_high_level_keeps_its_small_spread():
    values = 1e6 + 1e-3 * np.sin(np.arange(50))
    sums = summariser()
    sums.push(batch(*((0, k, value) for k, value in enumerate(values))))
    assert sums.advance(START + 2 * MINUTE)[0].std == pytest.approx(values.std(), rel=1e-5)


def test_a_clock_that_steps_back_starts_anew():
    sums = summariser()
    sums.advance(START + MINUTE - 3600 * S)
    sums.push(batch((0, -3530, 3.0)))
    assert sums.advance(START - 3600 * S + 2 * MINUTE + S)[0].mean == 3.0


@given(
    st.lists(
        st.tuples(st.floats(0, 59), st.floats(-1e9, 1e9), st.booleans()), min_size=1, max_size=40
    ),
    st.integers(0, 40),
)
def test_batches_do_not_matter(rows, cut):
    rows = [
        (0, at, value if good else np.nan, Quality.GOOD if good else Quality.BAD)
        for at, value, good in rows
    ]
    whole, parts = summariser(), summariser()
    whole.push(batch(*rows))
    for part in (rows[:cut], rows[cut:]):
        if part:
            parts.push(batch(*part))
    one, other = (s.advance(START + 2 * MINUTE)[0] for s in (whole, parts))
    assert (one.count, one.bad, one.min, one.max) == (other.count, other.bad, other.min, other.max)
    if one.count:
        values = [value for _, _, value, quality in rows if quality == Quality.GOOD]
        assert one.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-3)
        assert one.std == pytest.approx(np.std(values), rel=1e-4, abs=10)


def test_an_interval_carries_its_start_and_its_end_and_stays_as_it_is_closed():
    sums = summariser()
    sums.push(batch((0, 59.5, 1.0)))
    flow, level = sums.advance(START + MINUTE + S // 2)
    assert [(s.tag, s.start, s.end) for s in (flow, level)] == [
        ("flow", START, START + MINUTE),
        ("level", START, START + MINUTE),
    ]
    assert sums.advance(START + MINUTE + S // 2) == []


def test_coverage_is_judged_by_the_tags_own_period_and_is_at_most_one():
    sums = Summariser([*TAGS, Tag("hourly", "plc", 3600 * S)], MINUTE, 0, START)
    sums.push(batch(*[(0, k / 2, 1.0) for k in range(120)], (1, 5, 1.0), (1, 15, 1.0), (2, 1, 1.0)))
    flow, level, hourly = sums.advance(START + MINUTE)
    assert (flow.count, flow.coverage) == (120, 1.0)
    assert level.coverage == pytest.approx(2 / 6)
    assert hourly.coverage == 1.0


def test_bad_samples_alone_are_counted_and_give_no_values():
    sums = summariser()
    sums.push(batch((0, 1, np.nan, Quality.BAD), (0, 2, 4.0, Quality.UNCERTAIN)))
    flow, _ = sums.advance(START + 2 * MINUTE)[:2]
    assert (flow.count, flow.bad, flow.coverage, flow.mean, flow.last) == (0, 2, 0.0, None, None)


def test_the_last_value_is_the_newest_whatever_the_order_of_arrival():
    sums = summariser()
    sums.push(batch((0, 5, 1.0), (0, 9, 2.0), (0, 3, 3.0)))
    sums.push(batch((0, 7, 4.0)))
    assert sums.advance(START + 2 * MINUTE)[0].last == 2.0
    sums.push(batch((0, 125, 5.0)))
    sums.push(batch((0, 125, 6.0)))
    assert sums.advance(START + 4 * MINUTE)[2].last == 6.0, "of one instant the later arrival"


def test_tags_do_not_mix():
    sums = summariser()
    sums.push(batch((0, 1, 2.0), (1, 1, 50.0), (0, 2, 4.0), (1, 2, 70.0)))
    flow, level = sums.advance(START + 2 * MINUTE)[:2]
    assert (flow.mean, flow.min, flow.max, flow.std) == (3.0, 2.0, 4.0, 1.0)
    assert (level.mean, level.min, level.max, level.std) == (60.0, 50.0, 70.0, 10.0)


def test_negative_values_have_their_extremes():
    sums = summariser()
    sums.push(batch((0, 1, -5.0), (0, 2, -3.0)))
    flow = sums.advance(START + 2 * MINUTE)[0]
    assert (flow.min, flow.max, flow.mean) == (-5.0, -3.0, -4.0)


def test_late_samples_are_counted_beside_timely_ones_of_their_batch():
    sums = summariser()
    sums.advance(START + MINUTE + S // 2)
    sums.push(batch((0, 1, 5.0), (0, 59, 5.0), (0, 61, 7.0)))
    assert sums.late == 2
    assert sums.advance(START + 3 * MINUTE)[0].count == 1


def test_a_sample_from_beyond_the_next_interval_is_left_to_the_aligner():
    sums = summariser()
    sums.push(batch((0, 119, 1.0), (0, 120, 2.0)))
    counts = [s.count for s in sums.advance(START + 4 * MINUTE) if s.tag == "flow"]
    assert counts == [0, 1, 0]
    assert sums.late == 0


@pytest.mark.parametrize(("behind", "count"), [(600, 600), (601, 0)])
def test_six_hundred_intervals_are_caught_up_with_and_no_more(behind, count):
    sums = Summariser(TAGS[:1], MINUTE, 0, START)
    assert len(sums.advance(START + behind * MINUTE)) == count
    assert len(sums.advance(START + (behind + 1) * MINUTE)) == 1


@pytest.mark.parametrize(("behind", "restarts"), [(5 * S, False), (5 * S + 1, True)])
def test_a_clock_that_went_back_by_more_than_five_seconds_restarts_the_summaries(behind, restarts):
    sums = Summariser(TAGS[:1], MINUTE, 0, START)
    sums.push(batch((0, 1, 4.0)))
    assert sums.advance(START - behind) == []
    # After a restart it first closes the minute that the clock went back to.
    summaries = sums.advance(START + MINUTE)
    assert [s.count for s in summaries] == ([0, 0] if restarts else [1])
