"""Bins of a trend: what is measured is in one of them, and a gap stays a gap."""

import numpy as np
import pytest
from fakes import batch, tag
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND, Quality, SampleBatch
from gateway.core.trends import TrendBins

T0 = 1_700_000_000 * SECOND
FLOW = {3: tag("flow")}


def samples(*pairs, number=3, quality=Quality.GOOD):
    at = np.array([T0 + round(s * SECOND) for s, _ in pairs], dtype=np.int64)
    value = np.array([v for _, v in pairs], dtype=np.float64)
    return SampleBatch(
        np.full(len(at), number, np.int32), at, value, np.full(len(at), quality, np.uint8)
    )


def trend(*batches, tags=FLOW, seconds=100, most=10, shortest=0):
    bins = TrendBins(tags, T0, T0 + seconds * SECOND, most, shortest)
    for each in batches:
        bins.add(each)
    return bins.trends()


def test_a_bin_has_the_min_mean_and_max_of_its_values_and_a_gap_is_nan():
    (flow,) = trend(samples((0, 1.0), (4, 5.0)), samples((9.9, 3.0), (10, 7.0)))
    assert [flow.min[0], flow.mean[0], flow.max[0]] == [1.0, 3.0, 5.0]
    assert [flow.min[1], flow.mean[1], flow.max[1]] == [7.0] * 3
    assert np.isnan([flow.min[2:], flow.mean[2:], flow.max[2:]]).all()
    assert (flow.at[:2] - T0).tolist() == [5 * SECOND, 15 * SECOND]


def test_bad_samples_are_no_values_and_uncertain_ones_are():
    (flow,) = trend(
        samples((1, 9.0), quality=Quality.BAD),
        samples((2, np.nan), (3, np.inf)),
        samples((4, 2.0), quality=Quality.UNCERTAIN),
    )
    assert (flow.min[0], flow.max[0]) == (2.0, 2.0)


def test_other_tags_and_times_are_left_out():
    (flow,) = trend(
        samples((1, 9.0), number=2), samples((1, 9.0), number=4), samples((1, 9.0), number=-1),
        samples((1, 9.0), number=30_000), samples((-1, 9.0), (100, 9.0)), batch(T0, 1.0, 2.0),
    )  # fmt: skip
    assert np.isnan(flow.mean).all()


def test_a_slow_tag_has_fewer_bins_so_that_it_shows_no_gaps():
    tags = {0: tag("slow", period=20 * SECOND), 1: tag("fast")}
    slow, fast = trend(samples(*[(s, 1.0) for s in range(0, 100, 20)], number=0), tags=tags)
    assert (len(slow.at), len(fast.at)) == (2, 10)
    assert not np.isnan(slow.mean).any()
    (flow,) = trend(shortest=50 * SECOND)
    assert len(flow.at) == 2


def test_a_span_shorter_than_any_bin_is_one_bin():
    bins = TrendBins(FLOW, T0, T0 + 1, 2_000)
    bins.add(samples((0, 1.0)))
    assert bins.trends()[0].mean.tolist() == [1.0]


def test_the_greatest_numbers_have_a_mean():
    (flow,) = trend(samples((0, 1.7e308), (1, 1.7e308)))
    assert flow.mean[0] == 1.7e308


@given(
    st.lists(st.tuples(st.floats(0, 99.9), st.floats(-1e9, 1e9)), max_size=50),
    st.integers(1, 300),
)
def test_nothing_is_lost_whatever_the_order(pairs, most):
    (flow,) = trend(*(samples(each) for each in pairs), most=most)
    (other,) = trend(samples(*reversed(pairs)), most=most) if pairs else (flow,)
    np.testing.assert_array_equal(flow.min, other.min)
    np.testing.assert_array_equal(flow.max, other.max)
    if pairs:
        values = [value for _, value in pairs]
        assert (np.nanmin(flow.min), np.nanmax(flow.max)) == (min(values), max(values))
        inside = ~np.isnan(flow.mean)
        assert (flow.min[inside] <= flow.mean[inside]).all()
        assert (flow.mean[inside] <= flow.max[inside]).all()


@pytest.mark.parametrize("until", [2**62])
def test_the_longest_span_and_the_latest_time_do_not_overflow(until):
    span = 7 * 86_400 * SECOND
    bins = TrendBins({0: tag("flow")}, until - span, until, 2_000)
    bins.add(batch(until - 1, 1.0))
    (flow,) = bins.trends()
    assert (flow.mean[-1], len(flow.at)) == (1.0, 2_000)
    assert (np.diff(flow.at) > 0).all()
