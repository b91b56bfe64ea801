import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.modbus.plan import PolledTag, RequestLimits, make_plan
from connectors.modbus.registers import Encoding
from connectors.modbus.schedule import Schedule, phase_of


def requests(*periods):
    tags = [
        PolledTag(i, 1, "holding", 1000 * i, period, Encoding()) for i, period in enumerate(periods)
    ]
    plan = make_plan(tags, RequestLimits())
    return sorted(plan, key=lambda request: request.tags[0].tag)


def served(schedule, until, cost):
    """Run in virtual time: (start, request, due) of every slot, each taking `cost`."""
    now, log = 1000, []
    while now < until:
        slot = schedule.next(now)
        if slot is None:
            now = schedule.next_due
            continue
        log.append((now, slot.request, slot.due))
        now += cost
        schedule.done(slot, now)
    return log


def test_slots_are_whole_periods_after_the_start_however_long_a_read_takes():
    (request,) = requests(100)
    log = served(Schedule([request], 1000), until=2000, cost=37)
    assert [start for start, _, _ in log] == list(range(1000, 2000, 100))


def test_two_periods_share_one_connection_without_drifting():
    fast, slow = requests(100, 250)
    log = served(Schedule([fast, slow], 1000), until=2000, cost=10)
    assert [start for start, request, _ in log if request is fast] == list(range(1000, 2000, 100))
    due = [due for _, request, due in log if request is slow]
    assert due == [1000, 1250, 1500, 1750]


def test_missed_slots_are_skipped_and_counted_not_caught_up():
    (request,) = requests(100)
    schedule = Schedule([request], 1000)
    slot = schedule.next(1000)
    assert schedule.done(slot, 1350) == 3
    assert schedule.missed == 3
    assert schedule.next(1399) is None
    assert schedule.next(1400).due == 1400
    assert schedule.next(1400) is None


def test_a_fast_request_overtakes_a_long_list_of_slow_ones():
    fast, *slow = requests(100, *[5000] * 20)
    log = served(Schedule([*slow, fast], 1000), until=3000, cost=40)
    late = [start - due for start, request, due in log if request is fast]
    assert len(late) == 20
    assert max(late) <= 40


def test_the_parts_of_a_request_take_over_its_slots():
    whole, first, second = requests(100, 100, 100)
    schedule = Schedule([whole], 1000)
    schedule.done(schedule.next(1000), 1010, [first, second])
    assert schedule.next_due == 1100
    assert [schedule.next(1100).request, schedule.next(1100).request] == [first, second]
    assert schedule.next(1100) is None


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 60))
def test_a_slot_is_never_early_never_twice_and_always_on_the_grid(periods, cost):
    log = served(Schedule(requests(*periods), 1000), until=1500, cost=max(1, cost))
    assert all(start >= due for start, _, due in log)
    assert all((due - 1000) % request.period == 0 for _, request, due in log)
    assert len({(id(request), due) for _, request, due in log}) == len(log)


def test_300_devices_are_polled_over_the_middle_third_of_the_period_not_at_one_instant():
    period, wall = 1_000_000_000, 123_456_789_123
    phases = [phase_of(f"press-{number}") for number in range(1, 301)]
    due = []
    for phase in phases:
        schedule = Schedule(requests(period), 0, wall, phase)
        schedule.done(schedule.next(0), 0)
        due.append((wall + schedule.next_due) % period / period)
    assert due == pytest.approx(phases, abs=1e-6)
    assert 1 / 3 <= min(due) < 0.34
    assert 0.66 < max(due) < 2 / 3
    counts, _ = np.histogram(due, bins=100, range=(0, 1))
    assert max(counts) <= 20  # in 10 ms; in one instant it would be all 300


def test_a_source_keeps_its_phase_over_restarts():
    assert phase_of("press-1") == pytest.approx(0.5, abs=1 / 6)
    command = "from connectors.modbus.schedule import phase_of as p; print(p('press-1'))"
    phases = [subprocess.check_output([sys.executable, "-c", command]) for _ in range(2)]
    assert {float(phase) for phase in phases} == {phase_of("press-1")}


@pytest.mark.parametrize("wall", [0, 1, 499, 500, 501, 999, 123_456_789])
def test_with_the_wall_clock_slots_are_in_the_middle_of_the_grids_cells(wall):
    period, start = 1000, 77
    schedule = Schedule(requests(period), start, wall)
    first = schedule.next(start)
    assert first is not None
    schedule.done(first, start)
    assert 0 < schedule.next_due - start <= period
    assert (wall + schedule.next_due - start) % period == period // 2


def test_what_an_earlier_session_left_waiting_is_served_first_and_only_once():
    fast, slow, other = requests(100, 5000, 5000)
    log = served(Schedule([fast, slow, other], 1000, first=[other, slow]), until=1300, cost=10)
    assert [request for _, request, _ in log] == [other, slow, fast, fast, fast]


def test_a_request_that_is_no_longer_read_does_not_hold_up_the_others():
    fast, slow, gone = requests(100, 5000, 300)
    log = served(Schedule([fast, slow], 1000, first=[gone, slow]), until=1100, cost=10)
    assert {request for _, request, _ in log} == {fast, slow}
