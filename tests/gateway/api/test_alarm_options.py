"""The options of alarms: what is taken, and what is refused with what would be right."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.api.alarm_options import AlarmOptions, AlarmOverrides, Phrase
from gateway.api.alarms import Severity
from gateway.api.model import SECOND


def test_by_default_an_alarm_is_of_medium_severity_and_has_no_delays():
    options = AlarmOptions()
    assert (options.severity, options.on_delay, options.off_delay) == (Severity.MEDIUM, 0, 0)
    assert AlarmOptions(severity="high", on_delay="5s").on_delay == 5 * SECOND


@pytest.mark.parametrize("given", ["3 of 5", [3, 5], "3  of 5"])
def test_a_count_of_scores_is_written_in_words_or_as_two_numbers(given):
    options = AlarmOptions(n_of_m=given)
    assert options.n_of_m == (3, 5)
    assert options.model_dump(mode="json", exclude_none=True)["n_of_m"] == "3 of 5"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("5 of 3", "5 of 3 is not possible: the first number is at least 1 and at most the second"),
        ([0, 3], "0 of 3 is not possible"),
        ("3 of 101", "and the second at most 100"),
        ("3/5", "3/5' is not a count of scores: write it as in 3 of 5"),
        ([3], "is not a count of scores"),
        ([3, True], "is not a count of scores"),
        ([3.0, 5.0], "is not a count of scores"),
        (3, "is not a count of scores"),
    ],
)
def test_a_count_of_scores_that_cannot_be_reached_is_refused(given, why):
    with pytest.raises(ValidationError) as caught:
        AlarmOptions(n_of_m=given)
    assert why in str(caught.value)


@pytest.mark.parametrize("model", [AlarmOptions, AlarmOverrides])
def test_n_of_m_and_on_delay_exclude_each_other(model):
    assert model(n_of_m="3 of 5", off_delay="5s").n_of_m == (3, 5)
    with pytest.raises(ValidationError, match="give only one of them"):
        model(n_of_m="3 of 5", on_delay="5s")


def test_an_advice_is_one_line():
    assert AlarmOptions(advice="check the seal").advice == "check the seal"
    for wrong in ("", "two\nlines", "x" * 301):
        with pytest.raises(ValidationError):
            AlarmOptions(advice=wrong)


def test_a_phrase_has_known_placeholders():
    phrase = TypeAdapter(Phrase).validate_python
    assert phrase("{alarm}: {value} of {limit}, {since}, {tags} { }") != ""
    with pytest.raises(
        ValidationError, match=r"has no placeholder \{values\}: it may contain \{al"
    ):
        phrase("{alarm}: {values}")
