"""The readings of a suite tell the tags of a source apart, and keep to their ranges."""

import pytest
from fakes import tag

from gateway.api.testing.readings import beyond, is_bounded, readings_of

LIKE = [tag(f"t{n}", low=0, high=100) for n in range(20)]
SWITCHES = [tag(f"s{n}", names={0.0: "off", 1.0: "on"}) for n in range(20)]


def courses(tags):
    readings = readings_of(tags)
    return [tuple(values[each.name] for values in readings) for each in tags]


def test_no_value_is_that_of_another_tag_of_the_same_range():
    values = [value for course in courses(LIKE) for value in course]
    assert len(set(values)) == len(values)
    assert all(0 < value < 100 for value in values)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_switches_differ_in_some_reading(count):
    shown = courses(SWITCHES[:count])
    assert len(set(shown)) == count
    assert {value for course in shown for value in course} == {0.0, 1.0}


@pytest.mark.parametrize("tags", [LIKE, SWITCHES, SWITCHES[:1]])
def test_every_value_changes_from_the_first_reading_to_the_second(tags):
    assert all(first != second for first, second, *_ in courses(tags))


def test_a_tag_without_a_bound_has_a_range_of_a_hundred():
    free, above, below = readings_of([tag("free"), tag("above", low=500), tag("below", high=-500)])[
        0
    ].values()
    assert 0 < free < 100
    assert 500 < above < 600
    assert -600 < below < -500


def test_a_value_beyond_the_bounds_is_above_high_or_else_below_low():
    assert beyond(tag("t", low=0, high=100)) == 125
    assert beyond(tag("t", high=100)) == 125
    assert beyond(tag("t", low=100)) == 75


def test_a_tag_is_bounded_by_either_bound():
    assert [
        is_bounded(each) for each in (tag("t"), tag("t", low=0), tag("t", high=0))
    ] == [False, True, True]  # fmt: skip
