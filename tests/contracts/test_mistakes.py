"""A plugin with a mistake fails the shipped suite: in the tests that speak of it, and no other."""

import fake_plugins  # noqa: F401 - the inner runs import these, and would do so again each time
import pytest
import wrong_connectors  # noqa: F401 - as above
import wrong_detectors  # noqa: F401 - as above
import wrong_sinks  # noqa: F401 - as above

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
CONNECTORS = {
    "reverses_its_columns": (READING, "see the order of declared_tags"),
    "is_an_hour_late": (READING, "its time is wrong"),
    "is_an_hour_early": (READING, "its time is wrong"),
    "reports_local_time": ([VALUES], "its time is wrong"),
    "reports_the_time_of_arrival": ([VALUES, BOUNDS, BAD, BACK], "did not arrive within 30 s"),
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

DETECTORS = {
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

STORED = "test_what_it_says_it_wrote_is_stored_and_nothing_else"
AGAIN = "test_the_same_points_written_again_are_the_same"
REFUSED = "test_a_point_that_is_refused_is_named_and_the_others_are_stored"
AT_ONCE = "test_it_says_at_once_that_its_far_end_is_away_and_leaves_the_rest_to_the_gateway"
ONCE_BACK = "test_it_writes_again_once_its_far_end_is_back"
PROBE = "test_a_probe_says_whether_its_far_end_works_and_stores_nothing"
ACCEPTS = "test_it_says_which_classes_it_accepts"

SINKS = {
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

CONFTEST = """
from jumping_loop import JumpingLoop

def pytest_asyncio_loop_factories(config, item):
    return {"jumping": JumpingLoop}
"""
MODULE = """
import pytest
import {mistakes}
from fake_plugins import {harness}
from gateway.api.testing import {contract}


class TestWrong({contract}):
    @pytest.fixture
    def harness(self):
        return {harness}()

    @pytest.fixture
    def plugin(self, harness):
        return {mistakes}.{mistake}(harness.plugin())
"""


@pytest.fixture
def failures(pytester):
    """Runs a suite over a plugin with a mistake; the reports of the tests that failed, by name."""
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def run(**names):
        module = pytester.makepyfile(MODULE.format(**names))
        # Neither Hypothesis's report nor the import of a fake is of use here, and both are slow.
        options = ("-p", "no:hypothesispytest", "--tb=short", "-k", "not importing")
        passed, skipped, failed = pytester.inline_run(module, *options).listoutcomes()
        assert passed
        assert not skipped
        return {report.nodeid.split("::")[-1]: report.longreprtext for report in failed}

    return run


@pytest.mark.parametrize("mistake", CONNECTORS)
def test_the_connector_suite_sees(failures, mistake):
    reports = failures(
        contract="ConnectorContract",
        harness="ScriptHarness",
        mistakes="wrong_connectors",
        mistake=mistake,
    )
    _check(reports, *CONNECTORS[mistake])


@pytest.mark.parametrize("mistake", UNTIMED)
def test_the_connector_suite_sees_without_times_of_the_source(failures, mistake):
    reports = failures(
        contract="ConnectorContract",
        harness="UntimedHarness",
        mistakes="wrong_connectors",
        mistake=mistake,
    )
    _check(reports, *CONNECTORS[mistake])


@pytest.mark.parametrize("mistake", DETECTORS)
def test_the_detector_suite_sees(failures, mistake):
    reports = failures(
        contract="DetectorContract",
        harness="SquaresHarness",
        mistakes="wrong_detectors",
        mistake=mistake,
    )
    _check(reports, *DETECTORS[mistake])


@pytest.mark.parametrize("mistake", SINKS)
def test_the_sink_suite_sees(failures, mistake):
    reports = failures(
        contract="SinkContract", harness="MemoryHarness", mistakes="wrong_sinks", mistake=mistake
    )
    _check(reports, *SINKS[mistake])


def _check(reports, tests, words):
    assert sorted(reports) == sorted(tests)
    assert any(words in text for text in reports.values()), "\n".join(reports.values())
