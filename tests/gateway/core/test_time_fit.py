"""Own times against the clock: what fits, what is late, what is ahead, and what never flaps."""

from itertools import pairwise

import numpy as np
import pytest

from gateway.api.model import SECOND, Quality, SampleBatch
from gateway.core.time_fit import Fit, TimeFit

S = SECOND
T0 = 1_700_000_000 * S
HOUR, DAY, YEAR = 3600, 86_400, 31_557_600


def one(*at, quality=Quality.GOOD):
    n = len(at)
    return SampleBatch(
        np.zeros(n, dtype=np.int32),
        np.array([round(each * S) + T0 for each in at], dtype=np.int64),
        np.ones(n),
        np.full(n, quality, dtype=np.uint8),
    )


class Tag:
    """One tag of 1 s, held for 3 s, with a lateness of 0.5 s; a tick a second."""

    def __init__(self, period=1.0, hold=3.0, lateness=0.5, every=1.0):
        spans = (np.array([round(each * S)]) for each in (period, hold))
        self.fit = TimeFit(*spans, round(lateness * S))
        self.now, self.every = 0.0, every

    def push(self, *offsets, quality=Quality.GOOD):
        """Samples with these offsets in seconds come in the next tick; the state after it."""
        before, self.now = self.now, self.now + self.every
        if offsets:
            batch = one(*[self.now + each for each in offsets], quality=quality)
            self.fit.push(batch, T0 + round(before * S), T0 + round(self.now * S))
        self.fit.tick(T0 + round(self.now * S))
        return Fit(self.fit.state[0])

    def go(self, ticks, *offsets):
        return [self.push(*offsets) for _ in range(ticks)]

    @property
    def reason(self):
        return self.fit.reason(0)


TOO_LATE = "its samples come after their cells are closed"
CLOCK = "this machine's clock"
WRONG = [
    (2 * HOUR, Fit.AHEAD, f"its time is 2 h ahead of {CLOCK}"),
    (-2 * HOUR, Fit.STALE, f"its time is 2 h behind {CLOCK}"),
    (HOUR, Fit.AHEAD, f"its time is 1 h ahead of {CLOCK}"),
    (-5 * HOUR, Fit.STALE, f"its time is 5 h behind {CLOCK}"),
    (5.5 * HOUR, Fit.AHEAD, f"its time is 5 h 30 min ahead of {CLOCK}"),
    (-23.8 * YEAR, Fit.STALE, f"its time is 24 years behind {CLOCK}"),
    (-53.8 * YEAR, Fit.STALE, f"its time is 54 years behind {CLOCK}"),
    (75 * YEAR, Fit.AHEAD, f"its time is 75 years ahead of {CLOCK}"),
    (-DAY, Fit.STALE, f"its time is 24 h behind {CLOCK}"),
    (90, Fit.AHEAD, f"its time is 1 min 30 s ahead of {CLOCK}"),
    (6.5, Fit.AHEAD, f"its time is 6.5 s ahead of {CLOCK}"),
    (-10, Fit.STALE, f"its time is 10 s behind {CLOCK}"),
    (-4, Fit.LATE, f"its time is 4 s behind {CLOCK}, so {TOO_LATE}"),
]  # fmt: skip


@pytest.mark.parametrize(("offset", "state", "reason"), WRONG)
def test_a_wrong_clock_is_told_with_its_offset_and_mends_by_itself(offset, state, reason):
    tag = Tag()
    assert tag.go(5, 0) == [Fit.IN_TIME] * 5
    assert tag.go(8, offset)[-1] is state
    assert tag.reason == reason
    assert tag.push(0) is Fit.IN_TIME


@pytest.mark.parametrize(("offset", "state", "reason"), WRONG)
def test_a_clock_that_was_wrong_from_the_start_is_told_too(offset, state, reason):
    tag = Tag()
    assert tag.go(8, offset)[-1] is state
    assert tag.reason == reason


@pytest.mark.parametrize("offset", [0, -0.4, -1, -1.4, 1, 4.9])
def test_a_small_offset_fits(offset):
    assert set(Tag().go(30, offset)) == {Fit.IN_TIME}


def test_samples_that_waited_for_the_tick_fit():
    assert set(Tag(lateness=0.0).go(30, -0.99)) == {Fit.IN_TIME}


def test_a_network_delay_beyond_what_is_held_starves_its_cells():
    assert Tag(hold=1.0, lateness=1.0).go(8, -3.2)[-1] is Fit.STALE
    assert Tag(hold=5.0, lateness=1.0).go(8, -3.2)[-1] is Fit.LATE


def test_a_lateness_that_covers_the_delay_makes_it_fit():
    assert set(Tag(lateness=30.0).go(30, -20)) == {Fit.IN_TIME}


def test_an_old_first_value_that_is_confirmed_is_no_fault():
    tag = Tag()
    assert [tag.push(-3 * HOUR), tag.push(), *tag.go(5, 0)] == [Fit.IN_TIME] * 7


def test_a_burst_of_stored_samples_with_a_current_one_is_no_fault():
    tag = Tag()
    assert set(tag.go(20, -HOUR, -HOUR / 2, 0)) == {Fit.IN_TIME}


def test_stored_samples_that_take_their_time_are_told_until_they_have_caught_up():
    tag = Tag()
    states = [tag.push(-600 + 60 * k) for k in range(11)]
    assert states[5:9] == [Fit.STALE] * 4
    assert states[-1] is Fit.IN_TIME


def test_one_sample_from_the_future_among_others_is_no_fault():
    tag = Tag()
    assert [tag.push(DAY), *tag.go(3, 0), *tag.go(3, 0, DAY)] == [Fit.IN_TIME] * 7


def test_bad_and_uncertain_samples_are_not_judged_by_their_time():
    tag = Tag()
    for quality in (Quality.BAD, Quality.UNCERTAIN):
        assert {tag.push(-HOUR, quality=quality) for _ in range(20)} == {Fit.IN_TIME}


@pytest.mark.parametrize("limit", [5.0, -1.5, -3.5])
@pytest.mark.parametrize("jitter", [0.2, 1.0])
def test_jitter_at_a_limit_does_not_flap(limit, jitter):
    dice = np.random.default_rng(7)
    tag = Tag()
    states = [tag.push(limit + dice.uniform(-jitter, jitter)) for _ in range(600)]
    changes = sum(a is not b for a, b in pairwise(states))
    assert changes <= 12, "in ten minutes"


@pytest.mark.parametrize(("rate", "last"), [(-0.01, Fit.STALE), (0.01, Fit.AHEAD)])
def test_a_drifting_clock_passes_the_limit_once(rate, last):
    tag = Tag()
    states = [tag.push(rate * second) for second in range(1500)]
    order = list(dict.fromkeys(states))
    assert order == ([Fit.IN_TIME, Fit.LATE, Fit.STALE] if rate < 0 else [Fit.IN_TIME, Fit.AHEAD])
    assert states == sorted(states), "never back"
    assert states[-1] is last


def reasons(tag, offsets):
    told = []
    for offset in offsets:
        tag.push(offset)
        if tag.fit.state[0] and (not told or told[-1] != tag.reason):
            told.append(tag.reason)
    return told


def test_the_reason_of_a_steady_offset_is_told_once_whatever_its_jitter():
    dice = np.random.default_rng(7)
    assert len(reasons(Tag(), -2 * HOUR + dice.uniform(-0.9, 0.9, 600))) == 1


def test_the_reason_changes_when_the_clock_is_set_to_another_wrong_time():
    told = reasons(Tag(), [-2 * HOUR] * 60 + [-HOUR] * 60)
    assert [each.split()[3:5] for each in told] == [["2", "h"], ["1", "h"]]


def test_a_clock_that_stands_still_is_not_told_every_second():
    tag = Tag()
    told = reasons(tag, [-float(second) for second in range(3600)])
    assert tag.fit.state[0] == Fit.STALE
    assert len(told) <= 14


def test_a_step_of_this_machines_clock_moves_what_is_remembered():
    tag = Tag()
    tag.go(8, 2 * HOUR)
    tag.fit.shift(2 * HOUR * S)
    assert tag.fit.offset[0] == 0
    tag.now += 2 * HOUR
    assert tag.push(0) is Fit.IN_TIME


def test_each_tag_has_its_own_clock():
    spans = np.array([S, S, S]), np.array([3 * S] * 3)
    fit = TimeFit(*spans, S // 2)
    for second in range(1, 9):
        now = T0 + second * S
        at = np.array([now, now + 7200 * S, now - 7200 * S])
        batch = SampleBatch(np.arange(3, dtype=np.int32), at, np.ones(3), np.zeros(3, np.uint8))
        fit.push(batch, now - S, now)
    assert fit.state.tolist() == [Fit.IN_TIME, Fit.AHEAD, Fit.STALE]


def test_a_slow_tag_is_judged_by_its_own_period():
    tag = Tag(period=60.0, hold=180.0, every=60.0)
    assert tag.go(20, -30) == [Fit.IN_TIME] * 20
    assert tag.go(5, -10 * 60)[-1] is Fit.STALE


@pytest.mark.parametrize(
    ("offset", "ticks", "state"),
    [(2 * HOUR, 29, Fit.IN_TIME), (2 * HOUR, 31, Fit.AHEAD), (-2 * DAY, 119, Fit.IN_TIME)],
)
def test_a_slow_tag_is_judged_by_its_first_sample_after_a_while(offset, ticks, state):
    tag = Tag(period=60.0, hold=180.0)
    tag.push(offset)
    assert tag.go(ticks)[-1] is state


def test_an_old_value_of_a_slow_tag_that_nothing_confirms_is_told_after_two_periods():
    tag = Tag(period=60.0, hold=180.0)
    tag.push(-2 * DAY)
    assert tag.go(121)[-1] is Fit.STALE
    assert tag.push(0) is Fit.IN_TIME


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (2 * HOUR, "2 h ahead of"), (6, "6 s ahead of"), (-DAY, "24 h behind"),
        (-200, "3 min 20 s behind"), (-100, None), (-30, None), (0, None), (4, None),
    ],
)  # fmt: skip
def test_a_slow_tag_that_is_not_judged_yet_has_a_reason_for_detectors_that_lack_it(offset, words):
    tag = Tag(period=60.0, hold=180.0)
    assert tag.push(offset) is Fit.IN_TIME
    assert tag.fit.doubts() == ({0: f"its time is {words} {CLOCK}"} if words else {})
    tag.go(121)
    assert not tag.fit.doubts()
