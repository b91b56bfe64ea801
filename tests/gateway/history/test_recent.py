"""What is in memory of a line without history."""

import asyncio

import numpy as np
from fakes import batch, tag

from gateway.api.model import SECOND
from gateway.core.trends import TrendBins
from gateway.history.recent import MOST_CELLS, SHORTEST, SPAN, Recent

T0 = 1_700_000_000 * SECOND // SPAN * SPAN
TAGS = {0: tag("flow"), 1: tag("level")}


def trend(recent, since, until, most=2_000):
    bins = TrendBins(TAGS, since, until, most, recent.shortest)
    why = asyncio.run(recent.trend(bins))
    return bins.trends(), why


def filled(seconds, tags=2):
    recent = Recent(tags, T0)
    for s in range(0, seconds, 5):
        now = T0 + s * SECOND
        recent.note(now, batch(now, s, -s))
    return recent, T0 + seconds * SECOND


def test_the_last_hour_is_kept_and_what_is_older_is_named():
    recent, now = filled(7_200)
    (flow, level), why = trend(recent, T0, now)
    known = flow.at[~np.isnan(flow.mean)]
    assert abs((now - known[0]) - SPAN) < 2 * SHORTEST
    assert now - known[-1] < 2 * SHORTEST
    assert why.startswith("before ")
    assert "`history:`" in why
    assert (np.nanmax(flow.max), np.nanmin(level.min)) == (7_195.0, -7_195.0)


def test_a_whole_hour_has_no_gap_and_nothing_to_say():
    recent, now = filled(7_200)
    (flow, _), why = trend(recent, now - SPAN + 2 * SHORTEST, now)
    assert (why, np.isnan(flow.mean).any()) == ("", False)


def test_late_samples_are_taken_and_those_of_another_time_are_not():
    recent, now = filled(3_600)
    recent.note(now, batch(now - 1_800 * SECOND, 1e6))
    recent.note(now, batch(now - 2 * SPAN, 1e7))
    recent.note(now, batch(now + SPAN, 1e7))
    recent.note(now, batch(now, np.nan))
    recent.note(now, None)
    (flow, _), _ = trend(recent, T0 - 2 * SPAN, now + 2 * SPAN)
    assert np.nanmax(flow.max) == 1e6


def test_it_goes_on_after_the_clock_was_set_back():
    recent, now = filled(3_600)
    back = now - 4 * SPAN
    recent.note(back, batch(back, 5.0))
    (flow, _), _ = trend(recent, back - SECOND, back + SPAN)
    assert np.nanmax(flow.max) == 5.0


def test_memory_is_bounded_for_the_largest_lines():
    recent = Recent(10_000, T0)
    arrays = [each for each in vars(recent).values() if isinstance(each, np.ndarray)]
    assert sum(each.nbytes for each in arrays) < 32 * MOST_CELLS + 2**16
    assert recent.shortest == 90 * SECOND
