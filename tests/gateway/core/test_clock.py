"""The clock watch: what it doubts, for how long, and how it counts turns."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.api.model import SECOND
from gateway.core.clock import DOUBTED, RELEASED, ClockWatch

T0 = RELEASED + 1_000_000 * SECOND
HOUR = 3600 * SECOND


class Clocks:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self, wall=T0):
        self.wall, self.monotonic, self.synchronised = wall, 50 * SECOND, False
        self.watch = self.watching()

    def watching(self):
        return ClockWatch(lambda: self.monotonic, lambda: self.synchronised)

    def go(self, by=SECOND, step=0):
        self.monotonic += by
        self.wall += by + step
        return self.watch.check(self.wall)

    def restart(self):
        state = self.watch.checkpoint()
        self.monotonic = 7 * SECOND
        self.watch = self.watching()
        self.watch.restore(state)


def test_a_clock_that_goes_on_evenly_is_trusted_although_nobody_synchronises_it():
    clocks = Clocks()
    assert [clocks.go() for _ in range(5)] == [0] * 5
    assert (clocks.watch.why, clocks.watch.epoch) == ("", 0)


def test_a_clock_that_was_never_set_is_doubted_whatever_the_kernel_says():
    clocks = Clocks(wall=30 * SECOND)
    clocks.synchronised = True
    clocks.go()
    assert clocks.watch.why == "before_release"


def test_a_clock_that_is_set_after_a_start_in_1970_is_doubted_until_somebody_vouches_for_it():
    clocks = Clocks(wall=30 * SECOND)
    clocks.go()
    assert clocks.go(step=T0) == T0
    assert clocks.watch.why == "stepped"
    clocks.synchronised = True
    clocks.go()
    assert clocks.watch.why == ""
    clocks.synchronised = False
    clocks.go()
    assert clocks.watch.why == ""


@pytest.mark.parametrize("step", [-HOUR, HOUR, 2 * SECOND])
def test_a_step_is_doubted_for_an_hour(step):
    clocks = Clocks()
    clocks.go()
    assert clocks.go(step=step) == step
    assert clocks.watch.why == "stepped"
    clocks.go(by=DOUBTED)
    assert clocks.watch.why == ""


def test_slewing_is_no_step():
    clocks = Clocks()
    assert not any(clocks.go(step=SECOND // 2000) for _ in range(10_000))
    assert clocks.watch.why == ""


def test_a_clock_that_stands_before_the_newest_point_at_a_start_is_doubted():
    clocks = Clocks()
    clocks.go()
    clocks.watch.note(clocks.wall)
    clocks.restart()
    clocks.wall -= HOUR
    clocks.go()
    assert (clocks.watch.why, clocks.watch.epoch) == ("behind_points", 1)


def test_only_a_clock_that_comes_to_used_times_again_begins_a_turn():
    clocks = Clocks()
    clocks.go()
    clocks.watch.note(clocks.wall)
    clocks.go(by=2 * HOUR)
    clocks.go(step=-HOUR)
    assert clocks.watch.epoch == 0
    clocks.go(step=-2 * HOUR)
    assert clocks.watch.epoch == 1
    clocks.restart()
    clocks.go()
    assert clocks.watch.epoch == 1


def test_the_release_that_no_right_clock_is_behind_is_the_newest_one():
    changes = (Path(__file__).parents[3] / "CHANGELOG.md").read_text(encoding="utf-8")
    said = re.search(r"^## \d+\.\d+\.\d+ – (unreleased|\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)
    newest = datetime.fromisoformat(said[1].replace("unreleased", "2026-11-01"))
    assert newest.replace(tzinfo=UTC).timestamp() * SECOND <= RELEASED


def test_before_the_first_check_nothing_is_doubted():
    watch = Clocks().watch
    assert (watch.why, watch.epoch, watch.steps) == ("", 0, 0)


def test_the_first_check_is_not_a_step_and_steps_are_counted():
    clocks = Clocks()
    assert clocks.go() == 0
    assert clocks.watch.steps == 0
    clocks.go(step=HOUR)
    clocks.go(step=-HOUR)
    assert clocks.watch.steps == 2


@pytest.mark.parametrize("step", [SECOND, -SECOND])
def test_a_step_is_more_than_a_second(step):
    clocks = Clocks()
    clocks.go()
    assert clocks.go(step=step) == 0
    assert clocks.watch.why == ""
    assert clocks.go(step=step + step // abs(step)) == step + step // abs(step)


def test_a_clock_at_the_time_of_the_newest_point_is_not_behind_it():
    clocks = Clocks()
    clocks.go()
    clocks.watch.note(clocks.wall + SECOND)
    clocks.restart()
    clocks.go()
    assert (clocks.watch.why, clocks.watch.epoch) == ("", 0)


def test_each_return_begins_an_epoch_of_its_own():
    clocks = Clocks()
    clocks.go()
    for epoch in (1, 2, 3):
        clocks.watch.note(clocks.wall)
        clocks.go(step=-HOUR)
        assert clocks.watch.epoch == epoch


def test_an_older_point_does_not_take_the_newest_ones_place():
    clocks = Clocks()
    clocks.go()
    clocks.watch.note(clocks.wall)
    clocks.watch.note(clocks.wall - 2 * HOUR)
    clocks.go(step=-HOUR)
    assert clocks.watch.epoch == 1


@pytest.mark.parametrize(("wall", "why"), [(RELEASED - 1, "before_release"), (RELEASED, "")])
def test_the_release_itself_is_the_first_right_time(wall, why):
    clocks = Clocks(wall=wall - SECOND)
    clocks.go()
    assert clocks.watch.why == why


def test_the_doubt_ends_after_just_an_hour():
    clocks = Clocks()
    clocks.go()
    clocks.go(step=2 * HOUR)
    clocks.go(by=3600 * SECOND - 1)
    assert clocks.watch.why == "stepped"
    clocks.go(by=1)
    assert clocks.watch.why == ""


def test_what_outlives_the_process_is_json_of_two_numbers():
    clocks = Clocks()
    clocks.watch.note(77)
    assert clocks.watch.checkpoint() == b'{"newest": 77, "turn": 0}'
