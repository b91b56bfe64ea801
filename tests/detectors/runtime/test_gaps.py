import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.runtime.gaps import fill, hold, stack
from gateway.api.model import SECOND, Window

NAN = np.nan


def filled(*rows):
    values = np.array([[[row] for row in rows]])
    return np.round(fill(values, ~np.isnan(values))[0, :, 0], 9).tolist()


def held(*rows):
    values = np.array([[[row] for row in rows]])
    return hold(values, ~np.isnan(values))[0, :, 0].tolist()


def test_a_gap_is_interpolated_between_the_rows_around_it():
    assert filled(1.0, NAN, NAN, 4.0) == [1, 2, 3, 4]


def test_a_gap_at_an_end_takes_the_nearest_row():
    assert filled(NAN, NAN, 3.0, NAN) == [3, 3, 3, 3]


def test_rows_that_the_aligner_held_before_a_gap_are_interpolated_as_well():
    assert filled(0.0, 1.0, 1.0, 1.0, 1.0, NAN, 6.0) == [0, 1, 2, 3, 4, 5, 6]
    # At most HELD rows: earlier repetitions were measured.
    assert filled(1.0, 1.0, 1.0, 1.0, 1.0, NAN, 6.0) == [1, 1, 2, 3, 4, 5, 6]
    assert filled(2.0, 2.0, NAN, 2.0, 2.0) == [2, 2, 2, 2, 2]


def test_conditions_get_only_measured_values():
    assert held(1.0, NAN, NAN, 4.0) == [1, 1, 1, 4]
    assert held(NAN, NAN, 3.0, NAN) == [3, 3, 3, 3]


def test_a_tag_that_was_never_observed_stays_missing():
    assert np.isnan(filled(NAN, NAN)).all()


def test_an_infinite_value_counts_as_not_observed():
    values = np.array([[1.0], [np.inf], [NAN]])
    _, observed = stack([Window(0, SECOND, values, np.ones_like(values, dtype=bool))])
    assert observed[0, :, 0].tolist() == [True, False, False]


@given(arrays(np.bool_, (3, 5, 2)))
def test_observed_cells_are_kept_and_a_tag_observed_somewhere_is_filled(observed):
    values = np.where(observed, np.arange(30.0).reshape(3, 5, 2), NAN)
    result = fill(values, observed)
    assert np.array_equal(result[observed], values[observed])
    observed_somewhere = np.broadcast_to(observed.any(axis=1, keepdims=True), values.shape)
    assert np.array_equal(np.isnan(result), ~observed_somewhere)


@given(st.integers(0, 2), arrays(np.bool_, (3, 5, 2)))
def test_a_window_is_filled_independently_of_the_others(which, observed):
    values = np.where(observed, np.arange(30.0).reshape(3, 5, 2), NAN)
    alone = fill(values[which : which + 1], observed[which : which + 1])
    assert np.array_equal(fill(values, observed)[which], alone[0], equal_nan=True)
