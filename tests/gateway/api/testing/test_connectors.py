"""A connector with a mistake fails its suite: in the tests that speak of it, and no other."""

import pytest
import wrong_connectors  # noqa: F401 - the inner runs import it, and would do so again each time
from mistakes import check, run_suite

pytest_plugins = ["pytester"]

VALUES, BOUNDS, BAD, LEFT, BACK = (
    "test_every_value_arrives_with_its_time_under_its_tag",
    "test_a_value_out_of_bounds_is_bad_and_its_neighbours_are_not",
    "test_a_reading_without_a_value_is_bad",
    "test_a_session_is_left_promptly_and_another_may_be_opened",
    "test_a_source_that_stops_is_lost_and_is_read_again_when_it_is_back",
)
READING = (VALUES, BOUNDS, BAD, LEFT, BACK)
"""The tests that compare what was read."""
TAGS = "test_its_tags_are_those_of_its_options_in_a_fixed_order"
CARRY = "test_its_tags_carry_the_unit_and_the_bounds_of_its_options"
AWAY = "test_a_source_that_is_away_is_lost_on_entry_and_fails_the_probe"
CANCELLED = "test_a_reader_that_is_cancelled_leaves_promptly"
OPTIONS = "test_its_options_name_its_type_and_refuse_an_unknown_key"
BUILD = "test_building_it_touches_nothing"

# By mistake: the tests that fail, and what a report says.
MISTAKES = {
    "reverses_its_columns": (READING, "see the order of declared_tags"),
    "is_an_hour_late": (READING, "its time is wrong"),
    "is_an_hour_early": (READING, "its time is wrong"),
    "reports_local_time": ([VALUES], "its time is wrong"),
    "reports_the_time_of_arrival": ([VALUES, BOUNDS, BAD, BACK], "set `has_time = False`"),
    "ignores_bounds": ([CARRY, BOUNDS], "4500 (out of bounds, so bad) was published"),
    "clips_to_its_bounds": ([BOUNDS], "4500 (out of bounds, so bad) was published"),
    "takes_bad_for_zero": ([BAD], "no value was published"),
    "holds_the_last_value": ([BAD], "no value was published"),
    "is_always_bad": (READING, "did not arrive within 30 s"),
    "is_never_sure": (READING, "(uncertain)"),
    "scales_wrongly": (READING, "was published"),
    "rounds": (READING, "was published"),
    "doubles_its_samples": (READING, "see the order of declared_tags"),
    "loses_every_other_reading": ([VALUES, BOUNDS, BAD, BACK], "did not arrive within 30 s"),
    "counts_in_float32": (READING, "float32"),
    "leaves_a_value_in_bad": ([BAD], "a bad sample has the value NaN"),
    "declares_another_order": ([TAGS, CARRY, *READING], "see the order of declared_tags"),
    "waits_for_its_source": ([AWAY, BACK], "no SourceLost came within 30 s"),
    "ends_its_session": ([BACK], "DID NOT RAISE"),
    "leaves_slowly": ([LEFT, CANCELLED], "it went on reading for 10 s"),
    "probes_with_a_guess": ([AWAY], "ok=True"),
    "raises_from_its_probe": ([AWAY], "SourceLost"),
    "writes_when_it_is_built": ([BUILD], "state/cache"),
    "takes_unknown_options": ([OPTIONS], "DID NOT RAISE"),
}
# Those that must be seen where the source has no times, too.
UNTIMED = (
    *("reverses_its_columns", "ignores_bounds", "takes_bad_for_zero"),
    *("is_an_hour_late", "is_an_hour_early", "reports_local_time"),
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_suite_sees_a_mistake(pytester, mistake):
    reports = run_suite(pytester, "ScriptHarness", f"wrong_connectors.{mistake}")
    check(reports, *MISTAKES[mistake])


@pytest.mark.parametrize("mistake", UNTIMED)
def test_the_suite_sees_it_where_the_source_says_no_time(pytester, mistake):
    reports = run_suite(pytester, "UntimedHarness", f"wrong_connectors.{mistake}")
    check(reports, *MISTAKES[mistake])
