"""Colours of severities."""

import click
import pytest

from gateway.api.alarms import Severity
from gateway.cli.alarm.colours import coloured, styled


@pytest.fixture(autouse=True)
def _in_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_each_severity_has_a_colour_of_its_own_and_what_is_unknown_has_none():
    texts = [coloured("x", each) for each in Severity]
    assert len({*texts, "x"}) == 5
    assert {click.unstyle(text) for text in texts} == {"x"}
    assert click.unstyle(coloured("x", "of another version")) == "x"


def test_no_color_is_heeded(monkeypatch):
    assert styled("x", fg="red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("x", fg="red") == coloured("x", "high") == "x"
