"""Which number of a value a tag is, and the words where there is none."""

import math
import uuid
from datetime import UTC, datetime

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.selection import Selection, StructureValue, Unusable, parse_member

AXIS = StructureValue("Axis", {"Position": 2.5, "Homed": True})
MOTOR = StructureValue("Motor", {"Speed": 1450, "Axes": [AXIS, AXIS], "Name": "M1", "None": None})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.just(datetime(2026, 3, 1, tzinfo=UTC))
    | st.just(ua.LocalizedText("AUTO"))
    | st.just(ua.Range(1.0, 2.0)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner).map(lambda m: StructureValue("S", m))
    ),
    max_leaves=6,
)
STEPS = st.lists(st.integers(0, 3) | st.sampled_from("abc"), max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("raw", "steps", "value"),
    [
        (1.5, (), 1.5),
        (True, (), 1.0),
        ([1, 2, 3], (2,), 3.0),
        ([[1, 2], [3, 4]], (1, 0), 3.0),
        (b"\x01\xff", (1,), 255.0),
        (MOTOR, ("Speed",), 1450.0),
        (MOTOR, ("Axes", 1, "Position"), 2.5),
        (MOTOR, ("Axes", 0, "Homed"), 1.0),
        ([MOTOR], (0, "Speed"), 1450.0),
        (ua.Range(1.0, 2.0), ("High",), 2.0),
    ],
)
def test_one_number_is_taken(raw, steps, value):
    assert Selection(steps).number(raw) == value


@pytest.mark.parametrize(
    ("raw", "steps", "why"),
    [
        (None, (), "no value"),
        (math.nan, (), "not a number (NaN)"),
        (-math.inf, (), "an infinite value"),
        ("1450", (), "text, not a number: '1450'"),
        ("x" * 99, (), f"text, not a number: '{'x' * 40}…'"),
        (b"\x01", (), "bytes, not a number: give an index"),
        (uuid.UUID(int=1), (), "a GUID, not a number"),
        (datetime(2026, 3, 1, tzinfo=UTC), (), "a time, not a number"),
        ([], (), "list, not a number: give an index"),
        ([], (0,), "the list has no element 0; it is empty"),
        ([1], (1,), "the list has no element 1; its last is 0"),
        ([None], (0,), "no value"),
        (None, (0,), "no value"),
        (None, ("Speed",), "no value"),
        ("text", (0,), "text, not a list: leave `index` out"),
        (MOTOR, (0,), "structure Motor, not a list: leave `index` out"),
        (MOTOR, ("None",), "no value"),
        (MOTOR, ("speed",), "Motor has no member 'speed'; it has Speed, Axes, Name, None"),
        (MOTOR, ("Speed", "x"), "a number, not a structure: leave `member` out"),
        (MOTOR, ("Axes", "Position"), "a list of structures: give an index"),
        (ua.Range(1.0, 2.0), (), "Range, not a number"),
    ],
)
def test_anything_else_has_its_reason(raw, steps, why):
    with pytest.raises(Unusable) as unusable:
        Selection(steps).number(raw)
    assert str(unusable.value) == why


STATES = {"AUTO": 1.0, "MANUAL": 2.0, "läuft": 3.0}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("AUTO", 1.0),
        (" MANUAL ", 2.0),
        (ua.LocalizedText("läuft", "de"), 3.0),
        (7, 7.0),  # a number stays one
        (False, 0.0),
    ],
)
def test_a_text_is_the_number_of_the_enumeration(raw, value):
    assert Selection((), STATES).number(raw) == value


@pytest.mark.parametrize("raw", ["auto", "", "AUTO2", "1", ua.LocalizedText(None), "Auto\0"])
def test_a_text_that_the_enumeration_lacks_is_no_number(raw):
    with pytest.raises(Unusable, match="is not in the enumeration: AUTO, MANUAL, läuft"):
        Selection((), STATES).number(raw)


@given(raw=VALUES, steps=STEPS)
def test_every_value_is_a_finite_number_or_has_a_reason(raw, steps):
    reason, number = "", math.nan
    try:
        number = Selection(steps, STATES).number(raw)
    except Unusable as why:
        reason = str(why)
    assert math.isfinite(number) != bool(reason)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("Speed", ("Speed",)),
        ("Motor.Speed", ("Motor", "Speed")),
        ("Axes[1].Position", ("Axes", 1, "Position")),
        ("M[0,2]", ("M", 0, 2)),
        ("A[1][2].b", ("A", 1, 2, "b")),
        ("mit Leerzeichen.Öl", ("mit Leerzeichen", "Öl")),
        ('"DB".x', ('"DB"', "x")),
        ("A.0", ("A", "0")),
    ],
)
def test_a_member_is_a_path_of_names_and_elements(text, steps):
    assert parse_member(text) == steps


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[1", "[1]", "a]b", "a[1]b"],
)
def test_a_member_that_is_none_says_what_would_be_right(text):
    with pytest.raises(ValueError, match="write it as in Speed, "):
        parse_member(text)
