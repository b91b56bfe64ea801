"""A training on data with missing rows reports gaps that are none of less than no time."""

import numpy as np
import pytest

from detectors.training.prepare import TrainingOptions, prepare
from gateway.api.model import SECOND
from gateway.history.wide import Recording

START = 1_767_225_600 * SECOND


def without(first, count, rows=900):
    """A row each second, without some."""
    rng = np.random.default_rng(3)
    kept = np.setdiff1d(np.arange(rows), np.arange(first, first + count))
    wave = np.sin(kept / 40)
    values = np.stack([wave, 2 * wave], axis=1) + rng.normal(0, 0.1, (len(kept), 2))
    return Recording(("a", "b"), START + kept * SECOND, values, {})


@pytest.mark.parametrize("missing", [0, 1, 14, 15, 16, 18, 20, 22, 24, 26, 28, 29, 40, 200])
def test_a_gap_is_a_time_without_a_window(missing):
    prepared = prepare(without(400, missing), TrainingOptions())
    gaps = prepared.gaps
    assert all(after > before for before, after in gaps)
    # A window of 29 rows is used if half of it was observed, so that rows are missing for a while.
    assert len(gaps) == (missing >= 40)
    assert all((after - before) // SECOND < missing for before, after in gaps)


def test_two_short_interruptions_are_two_gaps():
    one, two = without(300, 60), without(600, 60)
    both = np.intersect1d(one.times, two.times)
    at = np.isin(one.times, both)
    recording = one._replace(times=one.times[at], values=one.values[at])
    gaps = prepare(recording, TrainingOptions()).gaps
    assert len(gaps) == 2
    assert gaps[0][1] < gaps[1][0]
