import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.api.conditions import Condition, When, parse_condition
from gateway.api.model import SECOND, Tag

TAGS = {
    "speed": Tag("speed", "plc", SECOND, "rpm"),
    "mode": Tag("mode", "plc", SECOND, names={2.0: "jammed"}),
}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("speed > 100", Condition("speed", ">", 100)),
        ("speed>=1e2", Condition("speed", ">=", 100)),
        (" north.flow <= -.5 ", Condition("north.flow", "<=", -0.5)),
        ("running==1", Condition("running", "==", 1)),
        ("mode != 2", Condition("mode", "!=", 2)),
        ("Pump 1 (rpm) < 3", Condition("Pump 1 (rpm)", "<", 3)),
    ],
)
def test_a_tag_is_compared_with_a_number(text, condition):
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    "text",
    ["speed", "speed = 1", "100 < speed < 200", "speed > fast", "> 3", "speed >", "", 5, None,
     "speed > 1; flow > 2", "speed > nan", "__import__('os') > x", "speed > 1 and flow > 2"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_would_be_right(text):
    with pytest.raises(ValueError, match="as in speed > 100 or running == 1"):
        parse_condition(text)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_whole_condition_or_none(text):
    try:
        found = parse_condition(text)
    except ValueError:
        return
    assert found.tag
    assert found.tag == found.tag.strip()
    assert np.isfinite(found.number)


@pytest.mark.parametrize(
    ("text", "met"),
    [("x > 2", [False, False, True]), ("x >= 2", [False, True, True]),
     ("x < 2", [True, False, False]), ("x <= 2", [True, True, False]),
     ("x == 2", [False, True, False]), ("x != 2", [True, False, True])],
)  # fmt: skip
def test_every_operator_does_what_it_says_and_nothing_holds_without_a_value(text, met):
    assert parse_condition(text).holds(np.array([1.0, 2.0, 3.0, np.nan])).tolist() == [*met, False]


def test_it_is_said_with_the_unit_or_the_name_of_the_number():
    assert parse_condition("speed > 100").described(TAGS) == "speed > 100 rpm"
    assert parse_condition("mode == 2").described(TAGS) == "mode == 2 (jammed)"
    assert parse_condition("flow < 1").described(TAGS) == "flow < 1"


def test_one_text_or_a_list_of_them():
    adapter = TypeAdapter(When)
    assert adapter.validate_python("speed > 1") == ("speed > 1",)
    assert adapter.validate_json('["speed > 1", "mode == 2"]') == ("speed > 1", "mode == 2")
    assert adapter.validate_python([]) == ()
    with pytest.raises(ValidationError, match="'fast' is not a condition"):
        adapter.validate_python(["speed > 1", "fast"])


def test_a_number_that_is_too_large_is_refused():
    for number in ("1e999", "9" * 400):
        with pytest.raises(ValueError, match="a number that is too large"):
            parse_condition(f"speed > {number}")
