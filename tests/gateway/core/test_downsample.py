import numpy as np
from fakes import batch
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.model import SampleBatch
from gateway.core.downsample import downsampled

numbers = st.floats(-1e6, 1e6) | st.just(float("nan"))


def series(values, tag=0):
    """A sample each nanosecond; NaN is a bad one."""
    return SampleBatch.joined([batch(at, value, first=tag) for at, value in enumerate(values)])


def rows(samples):
    return list(zip(samples.tag.tolist(), samples.at.tolist(), samples.value.tolist(), strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 3), numbers), min_size=1, max_size=200), st.integers(0, 99)
)
def test_what_is_kept_was_measured_just_so_and_stays_in_order(measured, most):
    whole = SampleBatch.joined([batch(n, v, first=tag) for n, (tag, v) in enumerate(measured)])
    kept = downsampled(whole, most)
    assert len(kept) <= most or len(kept) == len(whole) <= most
    assert kept.at.tolist() == sorted(set(kept.at.tolist()))
    assert {repr(row) for row in rows(kept)} <= {repr(row) for row in rows(whole)}


def test_few_samples_are_left_alone():
    whole = series([1.0, 2.0])
    assert downsampled(whole, 2) is whole


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=150, max_size=300))
def test_the_highest_and_the_lowest_value_are_always_kept(values):
    kept = downsampled(series(values), 100)
    assert (kept.value.min(), kept.value.max()) == (min(values), max(values))


def test_a_spike_of_one_sample_among_ten_thousand_is_kept():
    values = np.sin(np.arange(10_000) / 100)
    values[4321] = 50.0
    assert 4321 in downsampled(series(values), 200).at


def test_room_that_a_slow_tag_does_not_need_goes_to_the_fast_one():
    whole = SampleBatch.joined([series([1.0] * 10), series(list(range(1_000)), tag=1)])
    kept = downsampled(whole, 100)
    assert (kept.tag == 0).sum() == 10
    assert (kept.tag == 1).sum() == 90


def test_a_stretch_without_any_value_keeps_a_bad_sample_that_says_so():
    kept = downsampled(series([float("nan")] * 100), 10)
    assert set(kept.quality.tolist()) == {2}


def test_a_tag_that_fits_into_its_share_exactly_is_left_alone():
    whole = SampleBatch.joined([series([1.0] * 5), series(list(range(100)), tag=1)])
    kept = downsampled(whole, 10)
    assert [(kept.tag == tag).sum() for tag in (0, 1)] == [5, 4]


def test_each_stretch_keeps_its_lowest_and_its_highest():
    kept = downsampled(series([5.0, 1.0, 9.0, 4.0, 4.0, 7.0, 3.0, 6.0]), 4)
    assert kept.value.tolist() == [1.0, 9.0, 7.0, 3.0]


def test_beside_bad_samples_the_extremes_are_those_of_good_ones():
    nan = float("nan")
    kept = downsampled(series([nan, 5.0, -3.0, nan, -7.0, -2.0, nan, nan]), 2)
    assert kept.value.tolist() == [5.0, -7.0]
    kept = downsampled(series([nan, -5.0, -3.0, nan]), 2)
    assert kept.value.tolist() == [-5.0, -3.0]
    kept = downsampled(series([nan, 5.0, 3.0, nan]), 2)
    assert kept.value.tolist() == [5.0, 3.0]


def test_an_odd_share_is_not_exceeded():
    assert len(downsampled(series(list(range(100))), 7)) == 6
    assert len(downsampled(series([2.0, 1.0, 3.0]), 1)) == 1
