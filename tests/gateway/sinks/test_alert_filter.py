import pytest
from alarm_news import news
from pydantic import ValidationError

from gateway.sinks.alert_filter import AlertFilter


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, ""),
        ({"min_severity": "high"}, ""),
        ({"min_severity": "critical"}, "severity"),
        ({"transitions": ["returned"]}, "transition"),
        ({"transitions": ["returned", "raised"]}, ""),
        ({"detectors": ["pump*", "gu?rd"]}, ""),
        ({"detectors": ["pump*"]}, "detector"),
        ({"detectors": ["GUARD"]}, "detector"),
        ({"alarms": ["*.high"]}, ""),
        ({"alarms": ["*.low", "oil"]}, "alarm"),
    ],
)
def test_an_alert_is_sent_or_left_out_with_a_reason(options, why):
    assert AlertFilter(**options).why_not(news()) == why


@pytest.mark.parametrize(
    ("transition", "is_sent"),
    [("raised", True), ("escalated", True), ("realarmed", True)]
    + [(other, False) for other in ("returned", "acknowledged", "shelved", "updated")],
)
def test_what_calls_a_person_is_sent_if_nothing_else_is_asked_for(transition, is_sent):
    assert (AlertFilter().why_not(news(0, transition)) == "") is is_sent


@pytest.mark.parametrize(
    "options",
    [{"transitions": []}, {"transitions": ["rised"]}, {"detectors": []}, {"alarms": [""]}],
)
def test_a_filter_that_lets_nothing_pass_is_refused(options):
    with pytest.raises(ValidationError):
        AlertFilter(**options)
