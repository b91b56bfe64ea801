"""The grid of a training: a line's periods, or what the data shows, rounded to what lines have."""

import numpy as np
import pytest

from detectors.data.period import grid_period
from gateway.api.model import SECOND
from gateway.history.reading import Reading, reading_as
from gateway.history.wide import Recording

START = 1_767_225_600 * SECOND
MS = 1_000_000


def staggered(period, *offsets, rows=200):
    """A row for each sample of each tag, one tag at a time."""
    times = np.concatenate([START + np.arange(rows) * period + offset for offset in offsets])
    tag = np.repeat(np.arange(len(offsets)), rows)
    order = np.argsort(times, kind="stable")
    values = np.full((len(times), len(offsets)), np.nan)
    values[np.arange(len(times)), tag[order]] = 1.0
    return Recording(tuple(f"t{n}" for n in range(len(offsets))), times[order], values, {})


def at_steps(*steps):
    times = START + np.cumsum(np.resize(steps, 200)) * MS
    return Recording(("t0",), times, np.ones((200, 1)), {})


def period_of(recording, tag_periods=None):
    said = []
    with reading_as(Reading(tell=said.append)):
        return grid_period(recording, tag_periods or {}), " ".join(said)


def test_tags_recorded_one_by_one_keep_their_own_period():
    assert period_of(staggered(SECOND, 0, 415 * MS, 830 * MS)) == (SECOND, "")


def test_the_lines_period_wins_over_the_step_of_the_rows():
    assert period_of(at_steps(415), {"t0": SECOND}) == (SECOND, "")
    assert period_of(at_steps(1400), {"t0": SECOND}) == (SECOND, "")


def test_of_several_tags_the_fastest_period_counts_and_only_of_recorded_ones():
    periods = {"t0": 2 * SECOND, "t1": 5 * SECOND, "elsewhere": MS}
    assert period_of(staggered(2 * SECOND, 0, 0), periods) == (2 * SECOND, "")


def test_data_that_is_slower_than_its_line_keeps_its_own_step_and_it_is_said():
    period, said = period_of(at_steps(10_000), {"t0": SECOND})
    assert period == 10 * SECOND
    assert "the data has a row every 10s, and the line a sample every 1s" in said


@pytest.mark.parametrize(
    ("steps", "period"),
    [
        ((997,), SECOND),
        ((1003, 990, 1010), SECOND),
        ((960, 1040, 1000), SECOND),
        ((499, 501), SECOND // 2),
        ((9_990,), 10 * SECOND),
        ((59_800, 60_100), 60 * SECOND),
        ((100, 101), 100 * MS),
        ((20,), 20 * MS),
        ((250, 249), 250 * MS),
        ((2_050,), 2 * SECOND),
    ],
)
def test_a_step_near_a_usual_period_is_that_period(steps, period):
    assert period_of(at_steps(*steps)) == (period, "")


@pytest.mark.parametrize(("step", "text"), [(415, "415ms"), (700, "700ms"), (7_300, "7300ms")])
def test_a_step_that_no_line_has_is_kept_and_said(step, text):
    period, said = period_of(at_steps(step))
    assert period == step * MS
    assert f"a row every {text}" in said
    assert "give its file or --period" in said
