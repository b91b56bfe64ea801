import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.bundle.distribution import Distribution

numbers = st.floats(-1e9, 1e9)


@given(st.lists(numbers, min_size=1, max_size=300))
def test_the_shares_are_those_of_the_data_whatever_it_is(values):
    distribution = Distribution.of(np.array(values))
    assert sum(distribution.shares) == pytest.approx(1)
    below = sum(value <= distribution.edges[0] for value in values) / len(values)
    assert distribution.shares[0] == pytest.approx(below)
    assert Distribution.model_validate_json(distribution.model_dump_json()) == distribution


def test_a_continuous_channel_has_ten_bins_of_equal_size():
    distribution = Distribution.of(np.random.default_rng(1).normal(size=10_000))
    assert np.allclose(distribution.shares, 0.1, atol=0.001)


def test_a_switch_has_fewer_bins():
    distribution = Distribution.of(np.array([0.0] * 30 + [1.0] * 70))
    assert distribution.edges == [0.0, 1.0]
    assert distribution.shares == [0.3, 0.7, 0.0]


@pytest.mark.parametrize("edges", [[1.0, 1.0], [2.0, 1.0], []])
def test_edges_that_do_not_ascend_are_refused(edges):
    with pytest.raises(ValidationError):
        Distribution(edges=edges, shares=[1 / (len(edges) + 1)] * (len(edges) + 1))
