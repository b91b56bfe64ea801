"""Foreign texts are shown, and steer nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.visible import LINES, brief, shown, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flow 12 m³/h", "flow 12 m³/h"),
        ("Förderstrom – 流量", "Förderstrom – 流量"),
        ("1\u202f000\u00a0°C", "1\u202f000\u00a0°C"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("abc\u202edef", r"abc\u202edef"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("\x00", r"\x00"),
    ],
)
def test_what_does_not_print_is_an_escape(text, expected):
    assert visible(text) == expected


def test_a_text_of_several_lines_keeps_them():
    assert visible("a\n\tb\x1b\r", LINES) == "a\n\tb\\x1b\\r"


def test_plain_data_is_shown_to_its_last_text_and_key():
    facts = {"\x1b": [1, None, {"a": "\x07"}], "b": 2.5}
    assert shown(facts) == {r"\x1b": [1, None, {"a": r"\x07"}], "b": 2.5}


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text):
    assert all(sign.isprintable() or sign.isspace() for sign in visible(text))
    assert not set(visible(text)) & {"\n", "\r", "\t", "\x0b", "\x0c", "\x1b", "\x85", "\u2028"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flow", "flow"),
        ("x" * 10, "x" * 10),
        ("x" * 11, "xxxxxxxxx…"),
        ("\x1b\0" * 1_000_000, r"\x1b\x00\…"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_brief_text_is_visible_and_no_longer_than_asked(text, expected):
    assert brief(text, 10) == expected
