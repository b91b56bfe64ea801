import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.bundle.distribution import Distribution

numbers = st.floats(-1e9, 1e9)


@given(st.lists(numbers, min_size=1, max_size=300))
def test_the_shares_are_those_of_the_data_whatever_it_is(values):
    found = Distribution.of(np.array(values))
    assert sum(found.shares) == pytest.approx(1)
    below = sum(value <= found.edges[0] for value in values) / len(values)
    assert found.shares[0] == pytest.approx(below)
    assert Distribution.model_validate_json(found.model_dump_json()) == found


def test_ten_bins_of_equal_size_for_a_plain_channel():
    found = Distribution.of(np.random.default_rng(1).normal(size=10_000))
    assert np.allclose(found.shares, 0.1, atol=0.001)


def test_a_switch_has_fewer_bins():
    found = Distribution.of(np.array([0.0] * 30 + [1.0] * 70))
    assert found.edges == [0.0, 1.0]
    assert found.shares == [0.3, 0.7, 0.0]


@pytest.mark.parametrize("edges", [[1.0, 1.0], [2.0, 1.0], []])
def test_edges_that_do_not_ascend_are_refused(edges):
    with pytest.raises(ValidationError):
        Distribution(edges=edges, shares=[1 / (len(edges) + 1)] * (len(edges) + 1))
