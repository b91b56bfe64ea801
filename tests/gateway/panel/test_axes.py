"""Ticks are round and few, and local times are wall-clock times."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.model import SECOND
from gateway.panel.axes import tick_text, time_texts, time_ticks, value_ticks

BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=BERLIN):
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 12))
def test_value_ticks_are_few_and_within_the_axis(low, span, most):
    ticks = value_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - span * 1e-6 <= each <= low + span * (1 + 1e-6) for each in ticks)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (3.2, 5.9, ["4", "5"]),
        (-0.21, 0.4, ["-0.2", "0.0", "0.2", "0.4"]),
        (0, 1_300_000, ["0", "500,000", "1,000,000"]),
        (0, 1e-5, ["0", "5e-06", "1e-05"]),
        (5.0, 5.0, []),
        (float("-inf"), 5.0, []),
    ],
)
def test_value_ticks_as_texts(low, high, texts):
    ticks = value_ticks(low, high, 4)
    assert [tick_text(each, ticks) for each in ticks] == texts


def test_time_ticks_are_round_in_local_time_and_name_each_new_day():
    ticks = time_ticks(at("2026-03-01T20:10"), at("2026-03-02T03:00"), 8, BERLIN)
    assert time_texts(ticks, BERLIN) == [
        ("21:00", "2026-03-01"), ("22:00", ""), ("23:00", ""), ("00:00", "2026-03-02"),
        ("01:00", ""), ("02:00", ""), ("03:00", ""),
    ]  # fmt: skip


def test_days_begin_at_local_midnight():
    ticks = time_ticks(at("2026-03-01T20:10"), at("2026-03-08T20:10"), 8, BERLIN)
    assert {text for text, _ in time_texts(ticks, BERLIN)} == {"00:00"}


def test_seconds_are_shown_where_ticks_are_close():
    ticks = time_ticks(at("2026-03-01T20:00:01"), at("2026-03-01T20:00:20"), 5, BERLIN)
    assert [text for text, _ in time_texts(ticks, BERLIN)] == [
        "20:00:05",
        "20:00:10",
        "20:00:15",
        "20:00:20",
    ]


@given(st.integers(0, 2**62), st.integers(1, 8 * 86_400 * SECOND), st.integers(2, 10))
def test_time_ticks_are_few_and_within_the_span(since, span, most):
    ticks = time_ticks(since, since + span, most, UTC)
    assert len(ticks) <= most + 1
    assert all(since <= each <= since + span for each in ticks)
