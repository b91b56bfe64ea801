"""Line protocol: what is written, what comes back, and what is refused."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.line_protocol import decode, encode
from gateway.api.model import Point

AT = 1_700_000_000_123_456_789

# What a name may hold and still come back unchanged; `encode` says what happens to the rest.
_plain = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\")
names = st.text(_plain, min_size=1, max_size=12)
measurements = names.filter(lambda text: not text.startswith("#"))
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)
values = st.one_of(
    texts, st.booleans(), int64, st.floats(allow_nan=False, allow_infinity=False), texts
)
any_point = st.builds(
    Point,
    measurements,
    st.dictionaries(names, names, max_size=4),
    st.dictionaries(names, values, min_size=1, max_size=5),
    int64,
)
anything = st.builds(
    Point,
    st.text(min_size=1, max_size=12),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.text(), st.booleans(), st.integers(), st.floats()),
        max_size=4,
    ),
    st.integers(),
)


@given(any_point)
def test_every_point_comes_back_from_its_line(point):
    decoded = decode(encode(point))
    assert decoded == point
    assert [type(v) for v in decoded.fields.values()] == [type(v) for v in point.fields.values()]


@given(any_point)
def test_every_line_comes_back_from_its_point(point):
    line = encode(point)
    assert encode(decode(line)) == line


@given(anything)
def test_any_point_is_one_clean_line_or_a_value_error(point):
    try:
        line = encode(point)
    except ValueError:
        return
    assert not re.search(rb"[\x00-\x1f\x7f]", line)
    kept = decode(line)
    assert encode(kept) == line
    assert all(math.isfinite(v) for v in kept.fields.values() if isinstance(v, float))


def test_the_order_of_tags_does_not_change_the_bytes():
    one = Point("m", {"b": "2", "a": "1"}, {"v": 1.0}, AT)
    other = Point("m", {"a": "1", "b": "2"}, {"v": 1.0}, AT)
    assert encode(one) == encode(other) == b"m,a=1,b=2 v=1.0 1700000000123456789"


def test_types_are_written_as_influxdb_reads_them():
    fields = {"f": 5.0, "i": 5, "yes": True, "no": False, "s": 'a "b" \\ c'}
    line = encode(Point("m", {}, fields, 1))
    assert line == b'm f=5.0,i=5i,yes=true,no=false,s="a \\"b\\" \\\\ c" 1'


def test_numpy_scalars_are_written_as_plain_numbers():
    fields = {"f": np.float64(0.1), "g": np.float32(0.5), "i": np.int64(3), "b": np.bool_(True)}
    assert encode(Point("m", {}, fields, 1)) == b"m f=0.1,g=0.5,i=3i,b=true 1"


def test_names_are_escaped():
    line = encode(Point("a b,c", {"k =": "v, ="}, {"f =,": 1}, 1))
    assert line == b"a\\ b\\,c,k\\ \\==v\\,\\ \\= f\\ \\=\\,=1i 1"


def test_half_of_a_surrogate_pair_becomes_a_space():
    point = Point("a\udcf8b", {"t\ud800": "\udfffx"}, {"f": "\ud83d", "g": "\U0001f600"}, 1)
    assert encode(point) == 'a\\ b,t\\ =\\ x f=" ",g="\U0001f600" 1'.encode()


def test_line_breaks_become_spaces_and_backslashes_in_names_slashes():
    line = encode(Point("m", {"t": "a\nb\\"}, {"s": "one\r\ntwo"}, 1))
    assert line == b'm,t=a\\ b/ s="one  two" 1'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_a_value_that_is_not_a_number_is_left_out(value):
    assert encode(Point("m", {}, {"x": value, "y": 1.0}, 1)) == b"m y=1.0 1"


def test_an_empty_tag_value_is_left_out():
    assert encode(Point("m", {"t": "", "u": "x"}, {"y": 1}, 1)) == b"m,u=x y=1i 1"


@pytest.mark.parametrize(
    "point",
    [
        Point("m", {}, {}, 1),
        Point("m", {}, {"x": math.nan}, 1),
        Point("", {}, {"x": 1}, 1),
        Point("#m", {}, {"x": 1}, 1),
        Point("m", {"": "v"}, {"x": 1}, 1),
        Point("m", {}, {"": 1}, 1),
        Point("m", {}, {"x": 2**63}, 1),
        Point("m", {}, {"x": 1}, 2**63),
        Point("m", {}, {"x": None}, 1),
    ],
)
def test_a_point_that_line_protocol_cannot_hold_is_refused(point):
    with pytest.raises(ValueError):
        encode(point)


@pytest.mark.parametrize(
    "line", [b"", b"m", b"m x=1", b"m x= 1", b'm x="a 1', b"m,t= x=1 1", b"m x=1 1\nm x=2 2"]
)
def test_a_foreign_line_is_refused(line):
    with pytest.raises(ValueError):
        decode(line)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_an_integer_of_64_bits_is_written(value):
    assert encode(Point("m", {}, {"x": value}, value)) == b"m x=%di %d" % (value, value)


@pytest.mark.parametrize(
    ("point", "word"),
    [
        (Point("m", {}, {"speed": None}, 1), "speed"),
        (Point("m", {}, {"speed": 2**63}, 1), "speed"),
        (Point("m", {}, {"x": 1}, 2**63), "time"),
        (Point("empty", {}, {}, 1), "empty"),
    ],
)
def test_a_refusal_names_what_is_wrong(point, word):
    with pytest.raises(ValueError, match=word):
        encode(point)


def test_of_names_that_become_the_same_the_last_counts():
    point = Point("m", {"a\\": "1", "a/": "2"}, {"f\n": 1.0, "f ": 2.0}, 1)
    assert encode(point) == b"m,a/=2 f\\ =2.0 1"


def test_a_point_is_read_with_its_types():
    line = b'm\\ 1,a\\,b=c\\=d f=1.5,i=-5i,yes=true,no=false,s="a \\"b\\" \\\\ c" -7'
    assert decode(line) == Point(
        "m 1",
        {"a,b": "c=d"},
        {"f": 1.5, "i": -5, "yes": True, "no": False, "s": 'a "b" \\ c'},
        -7,
    )
