import pytest

from gateway.core import wait_limits


@pytest.mark.parametrize(("timeout", "limit"), [(0, 30), (10, 30), (30, 90), (60, 180)])
def test_a_sink_may_use_up_three_time_limits_of_its_own(timeout, limit):
    assert wait_limits.of_sink(timeout) == limit


@pytest.mark.parametrize(
    ("period", "timeout", "limit"),
    [(1, 1, 63), (3600, 1, 60 + 3 * 3600), (1, 30, 93), (0, 0, 60)],
)
def test_a_source_may_be_silent_for_three_periods_and_three_time_limits(period, timeout, limit):
    assert wait_limits.of_silence(period, timeout) == limit
