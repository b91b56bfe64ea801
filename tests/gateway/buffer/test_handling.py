"""Whoever hands the buffer how points are handled knows all that the buffer asks."""

import inspect

import pytest

from gateway.api.model import SECOND
from gateway.buffer.handling import PointHandling
from gateway.core.stored_points import StoredPoints

VERBS = ["alarm", "gap_marker", "merge"]


def test_the_buffer_asks_for_three_things():
    assert sorted(name for name in vars(PointHandling) if name in VERBS) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_the_lines_own_handling_takes_what_the_buffer_gives(verb):
    asked = inspect.signature(getattr(PointHandling, verb)).parameters
    assert list(inspect.signature(getattr(StoredPoints, verb)).parameters) == list(asked)


def test_the_lines_own_handling_merges_a_quarter_of_an_hour():
    assert StoredPoints("plant", "line").merge_interval == 15 * 60 * SECOND
