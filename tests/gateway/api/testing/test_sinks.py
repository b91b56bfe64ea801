"""A sink with a mistake fails its suite: in the tests that speak of it, and no other."""

import pytest
import wrong_sinks  # noqa: F401 - the inner runs import it, and would do so again each time
from mistakes import check, run_suite

pytest_plugins = ["pytester"]

BUILD = "test_building_it_touches_nothing"
STORED = "test_what_it_says_it_wrote_is_stored_and_nothing_else"
AGAIN = "test_the_same_points_written_again_are_the_same"
REFUSED = "test_a_point_that_is_refused_is_named_and_the_others_are_stored"
AT_ONCE = "test_it_says_at_once_that_its_far_end_is_away_and_leaves_the_rest_to_the_gateway"
ONCE_BACK = "test_it_writes_again_once_its_far_end_is_back"
PROBE = "test_a_probe_says_whether_its_far_end_works_and_stores_nothing"
ACCEPTS = "test_it_says_which_classes_it_accepts"

MISTAKES = {
    "says_it_wrote_what_it_did_not": ([STORED, AGAIN, REFUSED, ONCE_BACK], "and not stored"),
    "writes_another_body": ([STORED, AGAIN, REFUSED, ONCE_BACK], "and not stored"),
    "writes_something_else_too": ([STORED, AGAIN, ONCE_BACK], "stored, and never written"),
    "swallows_a_rejection": ([REFUSED], "DID NOT RAISE"),
    "names_the_wrong_point": ([REFUSED], "(2,)"),
    "gives_up_the_batch_with_the_point": ([REFUSED], "and not stored"),
    "rejects_where_it_must_wait": ([AT_ONCE, ONCE_BACK], "SinkRejected"),
    "swallows_that_its_far_end_is_away": ([AT_ONCE, ONCE_BACK], "DID NOT RAISE"),
    "tries_again_by_itself": ([AT_ONCE], "TimeoutError"),
    "stays_away": ([ONCE_BACK], "TimeoutError"),
    "counts_nothing": ([STORED], "None"),
    "stores_in_its_probe": ([PROBE], "stored, and never written"),
    "probes_with_a_guess": ([PROBE], "ok=True"),
    "accepts_one_class_in_a_list": ([ACCEPTS], "frozenset"),
    "writes_when_it_is_built": ([BUILD], "state/cache"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_suite_sees_a_mistake(pytester, mistake):
    reports = run_suite(pytester, "MemoryHarness", f"wrong_sinks.{mistake}")
    check(reports, *MISTAKES[mistake])
