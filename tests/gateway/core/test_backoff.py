"""Delays that grow to a cap, with full jitter between a floor and the ceiling."""

import pytest

from gateway.core.backoff import FLOOR, Backoff


def test_the_ceiling_doubles_from_the_first_delay_to_the_cap():
    highest = Backoff(first=0.5, cap=5.0, draw=lambda: 1.0)
    assert [highest.next() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_reset_starts_with_the_first_delay_again():
    backoff = Backoff(first=0.5, cap=5.0, draw=lambda: 1.0)
    for _ in range(5):
        backoff.next()
    assert backoff.failures == 5
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next() == 0.5


def test_the_whole_delay_is_jitter_above_a_floor():
    assert Backoff(first=4.0, cap=5.0, draw=lambda: 0.25).next() == 1.0
    assert Backoff(first=4.0, cap=5.0, draw=lambda: 0.0).next() == FLOOR == 0.1


def test_days_of_failures_do_not_overflow():
    backoff = Backoff(first=0.5, cap=5.0, draw=lambda: 1.0)
    for _ in range(5000):
        delay = backoff.next()
    assert delay == 5.0


def test_the_default_jitter_stays_below_the_ceiling_and_differs():
    delays = [Backoff(first=2.0, cap=5.0).next() for _ in range(50)]
    assert all(FLOOR <= delay <= 2.0 for delay in delays)
    assert len(set(delays)) > 1


@pytest.mark.parametrize(("failures", "delay"), [(30, 2.0**30), (31, 2.0**30), (40, 2.0**30)])
def test_the_exponent_is_bounded(failures, delay):
    backoff = Backoff(first=1.0, cap=1e30, draw=lambda: 1.0)
    backoff.failures = failures
    assert backoff.next() == delay
