import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.sinks.notify.rate import HOUR, Rate

START = 1_700_000_000 * SECOND


@given(
    st.integers(2, 50),
    st.lists(st.integers(0, HOUR // 3), min_size=1, max_size=300),
)
def test_no_hour_has_more_messages_than_allowed(most, gaps):
    rate, now, sent = Rate(most), START, []
    for gap in gaps:
        now += gap
        while not rate.wait(now):
            rate.spend(now)
            sent.append(now)
    for first in sent:
        assert sum(first <= each < first + HOUR for each in sent) <= most


@pytest.mark.parametrize("most", [2, 3, 20, 1000])
def test_after_a_burst_the_next_message_may_leave_when_it_says(most):
    rate = Rate(most)
    while not rate.wait(START):
        rate.spend(START)
    wait = rate.wait(START)
    assert 0 < wait <= HOUR / (most // 2)
    assert rate.wait(START + wait) == 0


def test_a_clock_that_goes_back_gives_nothing_and_stops_nothing():
    rate = Rate(2)
    rate.spend(START)
    assert rate.wait(START - 100 * HOUR) > 0
    assert rate.wait(START - 99 * HOUR) == 0


def test_it_goes_on_after_a_restart():
    rate = Rate(4)
    rate.spend(START)
    rate.spend(START)
    assert Rate(4, rate.left, rate.at).wait(START) == rate.wait(START) > 0
