import numpy as np
import pytest
from fakes import batch

from gateway.api.model import SECOND, SampleBatch
from gateway.core.frozen import FrozenWatch

S = SECOND
T0 = 1_700_000_000 * S
QUIET = np.zeros(2, dtype=np.bool_)


def watch(*after):
    return FrozenWatch(np.array(after, dtype=np.int64))


def push(frozen, value, second, was_silent=QUIET):
    frozen.push(batch(T0 + second * S, value, 1.0), was_silent, T0 + second * S)


def which(frozen, second):
    return frozen.which(T0 + second * S).tolist()


def test_only_a_tag_that_is_watched_freezes_and_only_after_its_time():
    frozen = watch(10 * S, 0)
    for second in range(12):
        push(frozen, 5.0, second)
    assert (which(frozen, 10), which(frozen, 11)) == ([False, False], [True, False])


@pytest.mark.parametrize("between", [5.0001, float("nan")])
def test_another_value_and_a_bad_sample_start_the_time_over(between):
    frozen = watch(10 * S, 0)
    push(frozen, 5.0, 0)
    push(frozen, between, 6)
    push(frozen, 5.0, 7)
    push(frozen, 5.0, 12)
    assert which(frozen, 17) == [False, False]
    assert which(frozen, 18) == [True, False]


def test_a_gap_starts_the_time_over():
    frozen = watch(10 * S, 0)
    push(frozen, 5.0, 0)
    push(frozen, 5.0, 9, was_silent=np.array([True, False]))
    assert (which(frozen, 19), which(frozen, 20)) == ([False, False], [True, False])


def test_several_values_in_one_batch_are_a_movement():
    frozen = watch(10 * S, 0)
    push(frozen, 5.0, 0)
    there_and_back = SampleBatch.joined([batch(T0, 6.0), batch(T0 + S, 5.0)])
    frozen.push(there_and_back, QUIET, T0 + 9 * S)
    assert (which(frozen, 19), which(frozen, 20)) == ([False, False], [True, False])


def test_a_tag_that_was_never_seen_or_is_bad_is_not_frozen():
    frozen = watch(10 * S, 0)
    assert which(frozen, 100) == [False, False]
    push(frozen, float("nan"), 0)
    assert which(frozen, 100) == [False, False]


def test_the_time_goes_with_a_stepped_clock():
    frozen = watch(10 * S, 0)
    push(frozen, 5.0, 0)
    frozen.shift(3600 * S)
    assert (which(frozen, 3610), which(frozen, 3611)) == ([False, False], [True, False])


def test_the_reason_says_for_how_long_or_the_limit():
    frozen = watch(10 * S, 0)
    push(frozen, 5.0, 0)
    at = T0 + 754 * S
    assert frozen.reason(0, at, exact=True) == "the same value for 13 min"
    assert frozen.reason(0, at, exact=False) == "the same value for more than 10 s"


def test_without_a_tag_to_watch_nothing_is_kept():
    frozen = watch(0, 0)
    push(frozen, 5.0, 0)
    assert (frozen.is_used, which(frozen, 100)) == (False, [False, False])
