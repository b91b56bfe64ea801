from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import Kind
from gateway.core.byte_budget import HOUR, LEAST, Budget

NOON = 12 * HOUR
MINUTE = HOUR // 60


def test_without_a_limit_there_is_always_room():
    budget = Budget()
    budget.spend(10**12, 10**12, NOON)
    assert budget.room(NOON, 512) == 512
    assert not budget.is_beyond(10**15)


def test_what_was_spent_is_gone_until_the_next_full_hour():
    budget = Budget(10_000)
    budget.spend(9_500, 50_000, NOON + 50 * MINUTE)
    assert budget.room(NOON + 59 * MINUTE, 10**6) == 0
    assert budget.renewed_in(NOON + 59 * MINUTE) == 60.0
    assert budget.room(NOON + HOUR, 10**6) == 10_000
    assert budget.spent(NOON + HOUR) == 0


def test_clips_leave_the_second_half_of_an_hours_budget_to_summaries():
    budget = Budget(10_000)
    assert budget.lowest(NOON) is Kind.CLIP
    budget.spend(5_001, 50_000, NOON)
    assert budget.lowest(NOON) is Kind.GATEWAY
    budget.spend(4_500, 50_000, NOON)
    assert budget.lowest(NOON) is Kind.ALERT
    assert budget.lowest(NOON + HOUR) is Kind.CLIP
    assert Budget().lowest(NOON) is Kind.CLIP


def test_a_clock_that_was_set_back_does_not_close_the_door_for_years():
    budget = Budget(10_000)
    budget.spend(10_000, 10_000, NOON)
    assert budget.room(NOON - HOUR, 10**6) == 10_000


def test_a_restart_goes_on_with_the_hour():
    first, again = Budget(10_000), Budget(10_000)
    first.spend(9_000, 90_000, NOON)
    again.restore(first.checkpoint())
    assert again.room(NOON + MINUTE, 10**6) == 0
    assert again.room(NOON + HOUR, 10**6) == 10_000
    assert not again.is_beyond(100_000)


def test_a_backlog_is_judged_as_it_would_be_compressed():
    budget = Budget(10_000)
    assert budget.is_beyond(10_001)
    budget.spend(1_000, 10_000, NOON)
    assert not budget.is_beyond(100_000)
    assert budget.is_beyond(100_001)


@given(
    st.integers(LEAST, 10**6),
    st.lists(st.tuples(st.integers(0, 2 * HOUR), st.floats(0.01, 1.0)), max_size=200),
)
def test_batches_that_keep_to_the_room_never_burst_the_budget(per_hour, steps):
    budget, hours = Budget(per_hour), {}
    for at, share in sorted(steps):
        room = budget.room(at, 512 * 1024)
        sent = int(room * share)
        budget.spend(sent, room, at)
        hours[at // HOUR] = hours.get(at // HOUR, 0) + sent
    assert all(spent <= per_hour for spent in hours.values())


def test_a_fresh_budget_has_spent_nothing_in_any_hour():
    assert [Budget(10_000).spent(hour * HOUR) for hour in (0, 1)] == [0, 0]


def test_compression_is_that_of_all_that_was_sent():
    budget = Budget(1_000)
    assert not budget.is_beyond(1_000)
    budget.spend(100, 1_000, NOON)
    budget.spend(500, 1_000, NOON + HOUR)
    assert not budget.is_beyond(3_333)
    assert budget.is_beyond(3_334)


def test_a_kibibyte_of_room_is_the_least_that_counts():
    budget = Budget(2_000)
    budget.spend(2_000 - 1024, 1, NOON)
    assert budget.room(NOON, 10**6) == 1024
    budget.spend(1, 1, NOON)
    assert budget.room(NOON, 10**6) == 0


def test_exactly_half_of_the_hour_is_not_more_than_half():
    budget = Budget(10_000)
    budget.spend(5_000, 1, NOON)
    assert budget.lowest(NOON) is Kind.CLIP
    assert budget.renewed_in(NOON) == 3600.0
