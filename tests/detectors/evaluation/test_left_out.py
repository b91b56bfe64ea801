"""Rows that are not counted."""

import numpy as np

from detectors.evaluation.apply import Episode, Judged
from detectors.evaluation.left_out import without


def test_the_other_rows_keep_their_episodes_and_one_that_is_left_out_whole_is_gone():
    number = np.array([-1, 0, 0, -1, 1, 1, -1, 2])
    episodes = tuple(Episode(n, None, 1.0, ()) for n in (10, 20, 30))
    rows = np.arange(8)
    judged = Judged(rows, rows * 1.0, number, np.zeros(8, dtype=bool), 0.5, episodes)
    kept = without(judged, np.isin(rows, [1, 4, 5]))
    assert kept.at.tolist() == [0, 2, 3, 6, 7]
    assert kept.number.tolist() == [-1, 0, -1, -1, 1]
    assert [episode.raised for episode in kept.episodes] == [10, 30]
    assert kept.alarm.tolist() == [False, True, False, False, True]
