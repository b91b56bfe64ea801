from dataclasses import replace

import numpy as np
import pytest
from fakes import tag

from gateway.api.bounds import Bounds
from gateway.api.model import Quality, SampleBatch

BOUNDS = Bounds([tag("free"), tag("level", low=0.0, high=100.0), tag("depth", high=-1.0)])


def samples(*rows):
    number, value, quality = (np.array(column) for column in zip(*rows, strict=True))
    at = np.arange(len(rows), dtype=np.int64)
    return SampleBatch(
        number.astype(np.int32), at, value.astype(float), quality.astype(np.uint8), 9, 2, 1
    )


@pytest.mark.parametrize(
    ("value", "quality"),
    [(0.0, Quality.GOOD), (100.0, Quality.GOOD), (-1e-9, Quality.BAD), (100.1, Quality.BAD)],
)
def test_the_bounds_themselves_are_possible_and_what_is_beyond_is_bad(value, quality):
    batch = BOUNDS.apply(samples((1, value, Quality.GOOD)))
    assert batch.quality.tolist() == [quality]
    assert np.isnan(batch.value[0]) == (quality is Quality.BAD)


def test_an_uncertain_value_stays_uncertain_within_its_bounds_and_is_bad_beyond():
    batch = BOUNDS.apply(samples((1, 50.0, Quality.UNCERTAIN), (1, 250.0, Quality.UNCERTAIN)))
    assert batch.quality.tolist() == [Quality.UNCERTAIN, Quality.BAD]


def test_one_bound_alone_bounds_one_side():
    batch = BOUNDS.apply(samples((2, -1e300, Quality.GOOD), (2, -0.5, Quality.GOOD)))
    assert batch.quality.tolist() == [Quality.GOOD, Quality.BAD]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_bad_even_without_bounds(value):
    batch = BOUNDS.apply(samples((0, value, Quality.GOOD), (0, 1e308, Quality.GOOD)))
    assert batch.quality.tolist() == [Quality.BAD, Quality.GOOD]
    assert np.isnan(batch.value[0])
    assert batch.value[1] == 1e308


def test_a_bad_sample_stays_bad_and_brings_no_value():
    batch = BOUNDS.apply(samples((1, 50.0, Quality.BAD)))
    assert batch.quality.tolist() == [Quality.BAD]
    assert np.isnan(batch.value[0])


def test_all_else_of_a_batch_is_kept_and_a_good_one_is_handed_on_as_it_is():
    good = samples((1, 50.0, Quality.GOOD), (0, 7.0, Quality.GOOD))
    assert BOUNDS.apply(good) is good
    batch = BOUNDS.apply(samples((1, 500.0, Quality.GOOD), (0, 7.0, Quality.GOOD)))
    assert batch.at.tolist() == [0, 1]
    assert batch.tag.tolist() == [1, 0]
    assert batch.value[1] == 7.0
    assert (batch.wire_bytes, batch.lost, batch.unmatched) == (9, 2, 1)
    assert (batch.value.dtype, batch.quality.dtype) == (np.float64, np.uint8)


def test_what_is_beyond_its_bounds_says_which_and_what_was_bad_keeps_its_own_reason():
    batch = samples((1, -3.0, Quality.GOOD), (2, 250.0, Quality.GOOD), (0, np.inf, Quality.GOOD))
    assert BOUNDS.apply(batch).reasons == {
        1: "-3 is below low, 0",
        2: "250 is above high, -1",
        0: "inf is no finite number",
    }
    told = replace(samples((1, np.nan, Quality.BAD)), reasons={1: "the device answered 2"})
    assert BOUNDS.apply(told).reasons == {1: "the device answered 2"}


def test_a_number_that_means_no_value_is_bad_and_the_reason_says_so():
    bounds = Bounds([tag("free"), tag("level", no_value=(-9999.0, 6553.5))])
    rows = [(1, value, Quality.GOOD) for value in (6553.5, 50.0, -9999.0)]
    batch = bounds.apply(samples(*rows, (0, -9999.0, Quality.GOOD)))
    assert batch.quality.tolist() == [Quality.BAD, Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert batch.reasons == {1: "-9999 means no value"}


def test_no_value_is_recognised_as_it_was_stored_in_float32():
    bounds = Bounds([tag("level", no_value=(-999.9, 0.0))])
    stored = float(np.float32(-999.9))
    rows = [(0, value, Quality.GOOD) for value in (stored, 0.0, 1e-9, -999.8)]
    quality = bounds.apply(samples(*rows)).quality.tolist()
    assert quality == [Quality.BAD, Quality.BAD, Quality.GOOD, Quality.GOOD]


def test_the_newest_sample_of_a_tag_says_whether_it_is_beyond_its_bounds():
    bounds = Bounds([tag("level", low=0.0, high=10.0, no_value=(7.0,))])
    for values, outside in (
        ([5.0, 11.0], {0: "above high, 10"}), ([-1.0], {0: "below low, 0"}),
        ([11.0, 5.0, float("nan")], {}), ([float("nan")], {}), ([float("inf")], {}), ([7.0], {}),
        ([11.0, 7.0], {}),
    ):  # fmt: skip
        n = len(values)
        rows = SampleBatch(
            np.zeros(n, dtype=np.int32), np.arange(n), np.array(values), np.zeros(n, np.uint8)
        )
        assert bounds.apply(rows).outside == outside, values


def test_of_joined_batches_the_newest_one_of_a_tag_says_whether_it_is_outside():
    def sample(index, **more):
        one = np.array([index], dtype=np.int32), np.array([1]), np.array([1.0]), np.array([0])
        return SampleBatch(*one, **more)

    first, second = sample(0, outside={0: "high"}), sample(1, outside={1: "low"})
    assert SampleBatch.joined([first, second]).outside == {0: "high", 1: "low"}
    assert SampleBatch.joined([first, second, sample(0)]).outside == {1: "low"}
    assert first.rows(slice(0, 1)).outside == {0: "high"}
