import pytest

from gateway.api.model import SECOND
from gateway.core.alarms.performance import DAY, HOUR, Entry, performance

S, T0 = SECOND, 1_700_000_000 * SECOND


def entry(second, alarm="guard.a", transition="raised", severity="low", **more):
    return Entry(T0 + round(second * S), f"{alarm}-1", alarm, transition, severity, **more)


def of(*entries, start=T0, hours=10):
    return performance(entries, start, start + round(hours * HOUR))


def test_alarms_an_hour_and_severities_count_what_people_were_told_of():
    figures = of(
        *(entry(60 * n, f"guard.a{n}") for n in range(16)),
        *(entry(1000 + 60 * n, f"guard.b{n}", severity="high") for n in range(4)),
        entry(2000, "guard.c", is_hidden=True),
        entry(-5, "guard.d"),
        entry(36_000, "guard.e"),
    )
    assert (figures.alarms, figures.per_hour) == (20, 2.0)
    assert figures.severities == {"low": 0.8, "high": 0.2}


def test_the_most_in_ten_minutes_is_that_of_the_worst_ten_minutes():
    assert of(entry(0), entry(300), entry(599), entry(600), entry(899)).most_in_ten_minutes == 4
    assert of().most_in_ten_minutes == 0


def test_a_flood_lasts_from_the_eleventh_until_fewer_than_five_are_left():
    times = [*range(0, 110, 10), 300, 400, 500, 550]
    figures = of(*(entry(t, f"guard.a{t}") for t in times), hours=1)
    # From 100 s, when the eleventh comes, until that is ten minutes old and four are left.
    assert figures.floods == 1
    assert figures.flood_share == pytest.approx((700 - 100) / 3600)


def test_ten_alarms_at_once_are_no_flood_and_one_that_goes_on_lasts_to_the_end():
    assert of(*(entry(0, f"guard.a{n}") for n in range(10))).floods == 0
    figures = of(*(entry(3500, f"guard.a{n}") for n in range(11)), hours=1)
    assert figures.flood_share == pytest.approx(100 / 3600)


def test_three_activations_within_a_minute_are_chattering():
    assert of(entry(0), entry(30), entry(60)).chattering == ["guard.a"]
    assert of(entry(0), entry(30), entry(61)).chattering == []
    assert of(entry(0), entry(30, "guard.b"), entry(60)).chattering == []


def test_an_alarm_that_is_active_for_more_than_a_day_is_stale():
    day = DAY // S
    rows = [entry(0), entry(5, "guard.b"), entry(day + 1, transition="returned")]
    figures = of(*rows, entry(day, "guard.b", "returned"), hours=48)
    assert (figures.stale, figures.standing) == (["guard.a"], 0)
    assert of(entry(0), hours=25).stale == ["guard.a"]
    assert of(entry(0), hours=25).standing == 1


def test_the_ten_most_frequent_have_their_share():
    rows = [entry(200 * n, f"guard.a{n % 20}") for n in range(40)] + [entry(9000, "guard.a3")]
    figures = of(*rows)
    assert figures.top[0] == ("guard.a3", 3)
    assert len(figures.top) == 10
    assert figures.top_share == pytest.approx(21 / 41)


def test_the_median_of_what_was_acknowledged():
    rows = [entry(0, f"guard.a{n}") for n in range(4)]
    acks = [entry(n, f"guard.a{k}", "acknowledged") for k, n in enumerate((10, 20, 300))]
    figures = of(*rows, *acks)
    assert (figures.acknowledged, figures.median_acknowledgement) == (3, 20)
    assert of(*rows).median_acknowledgement is None


def test_verdicts_are_counted():
    rows = [entry(5, transition="verdict", verdict=v) for v in ("real", "false", "real")]
    assert of(*rows).verdicts == {"real": 2, "false": 1}


def test_nothing_happened():
    figures = of()
    assert (figures.alarms, figures.per_hour, figures.top_share, figures.flood_share) == (0,) * 4
