"""A detector with a mistake fails its suite: in the tests that speak of it, and no other."""

import pytest
import wrong_detectors  # noqa: F401 - the inner runs import it, and would do so again each time
from mistakes import check, run_suite

pytest_plugins = ["pytester"]

SEEN_NOTHING = "test_seeing_nothing_it_judges_nothing_and_says_so"
NOT_ZERO = "test_a_tag_that_was_not_observed_is_not_taken_for_zero"
NEIGHBOURS = "test_a_score_does_not_depend_on_its_neighbours"
SAME = "test_the_same_windows_give_the_same_scores"
NORMAL = "test_it_judges_normal_running"
EACH = "test_one_score_for_each_window_in_order"
SHAPES = "test_one_value_for_each_alarm_and_arrays_for_each_tag"
WRITTEN = "test_windows_are_not_written_to"
LAST_ROW = "test_the_last_row_is_reported_in_the_order_of_the_tags"
CONTRIBUTIONS = "test_contributions_sum_to_the_score_and_name_the_strange_tag"
SAYS = "test_it_says_what_it_reads_and_what_it_may_raise"
REFUSES = "test_it_refuses_a_line_without_its_tags"

MISTAKES = {
    "reverses_its_contributions": ([CONTRIBUTIONS], "flow is strange, and the contributions"),
    "shares_its_contributions_out": ([CONTRIBUTIONS], "isclose"),
    "reverses_its_last_row": ([LAST_ROW], "allclose"),
    "reverses_its_alarms": ([NOT_ZERO], "flow: its alarms cannot be judged without it"),
    "is_blind_and_does_not_say_so": ([SEEN_NOTHING], "blind"),
    "reports_the_start_of_its_window": ([EACH], "window.end"),
    "counts_in_float32": ([SHAPES], "float32"),
    "takes_gaps_for_zero": ([SEEN_NOTHING, NOT_ZERO], "cannot be judged"),
    "compares_with_its_neighbours": ([NEIGHBOURS], "values"),
    "remembers_its_windows": ([SAME, NEIGHBOURS, CONTRIBUTIONS], "values"),
    "answers_in_another_order": ([EACH, NORMAL, NEIGHBOURS, LAST_ROW], "window.end"),
    "writes_to_its_windows": ([WRITTEN], "read-only"),
    "stumbles_over_a_missing_tag": ([REFUSES], "KeyError"),
    "names_an_alarm_twice": ([SAYS], "alarm.name"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_suite_sees_a_mistake(pytester, mistake):
    reports = run_suite(pytester, "SquaresHarness", f"wrong_detectors.{mistake}")
    check(reports, *MISTAKES[mistake])
