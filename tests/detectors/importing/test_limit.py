import numpy as np

from detectors.importing.limit import MARGIN, threshold


def test_the_threshold_lies_above_the_highest_scores_by_the_margin():
    scores = np.random.default_rng(1).gamma(2, size=5000)
    assert threshold(scores) > scores.max()
    assert threshold(scores) >= MARGIN * np.quantile(scores, 0.9995)


def test_few_equal_scores_still_leave_room():
    assert threshold(np.ones(20)) == MARGIN
