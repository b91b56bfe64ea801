"""The texts of alarms, and how they are filled."""

from gateway.api.alarms import AlarmState, Severity, Transition
from gateway.core.alarms.texts import TEXTS, filled


def test_a_placeholder_in_a_value_is_not_filled():
    assert filled("{a} and {b}", a="{b}", b="1") == "{b} and 1"


def test_a_text_with_other_braces_is_filled_as_far_as_it_can_be():
    assert filled("{a} {unknown} {} {0!r} {", a="1") == "1 {unknown} {} {0!r} {"


def test_every_transition_has_a_text():
    raised = {Transition.RAISED, Transition.UPDATED}
    assert {str(each) for each in set(Transition) - raised} <= TEXTS.keys()


def test_every_state_and_severity_has_a_text():
    names = [*(f"state {each}" for each in AlarmState), *(f"severity {each}" for each in Severity)]
    assert set(names) == {key for key in TEXTS if key.startswith(("state ", "severity "))}
