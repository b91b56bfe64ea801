"""What a harness need not say has a default that fits most plugins."""

import numpy as np
import pytest
from fakes import tag

from gateway.api.testing import ConnectorHarness, DetectorHarness, SinkHarness


def test_a_source_says_times_and_bad_values_and_holds_what_it_was_given():
    harness = ConnectorHarness()
    assert (harness.has_time, harness.has_bad) == (True, True)
    assert harness.expect("speed", 1.25) == 1.25


@pytest.mark.parametrize("harness", [ConnectorHarness(), SinkHarness()])
async def test_starting_and_stopping_is_the_authors_to_write(harness):
    with pytest.raises(NotImplementedError):
        await harness.start()
    with pytest.raises(NotImplementedError):
        await harness.stop()


async def test_publishing_and_what_is_stored_are_the_authors_to_write():
    with pytest.raises(NotImplementedError):
        await ConnectorHarness().publish(1, {})
    with pytest.raises(NotImplementedError):
        await SinkHarness().stored()


def test_a_sink_stores_the_body_and_refuses_nothing():
    assert SinkHarness().expect(b"m x=1 1") == b"m x=1 1"
    assert SinkHarness().refused is None


def test_normal_running_is_the_same_each_time_and_differs_by_tag():
    harness = DetectorHarness()
    harness.tags = (tag("flow"), tag("level"))
    flow, again, level = (harness.normal(name, 50) for name in ("flow", "flow", "level"))
    assert np.array_equal(flow, again)
    assert not np.array_equal(flow, level)
    assert 0 < np.ptp(flow) < 10


def test_a_strange_tag_ends_far_from_what_it_was():
    values = np.array([1.0, 2.0, 3.0])
    assert DetectorHarness().strange("flow", values).tolist() == [1.0, 2.0, 43.0]
    assert DetectorHarness().strange("flow", np.ones(2)).tolist() == [1.0, 21.0]
    assert values.tolist() == [1.0, 2.0, 3.0]
