import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.models import forest


@pytest.fixture(scope="module")
def rows():
    """Three tags that have nothing to do with each other, [row, time, tag]."""
    return np.random.default_rng(1).normal(size=(600, 2, 3)).astype(np.float32).astype(float)


@pytest.fixture(scope="module")
def core(rows):
    return forest.fit(rows)[0]


def test_the_score_is_that_of_the_library(rows, core):
    flat = rows.reshape(len(rows), -1)
    library = IsolationForest(n_estimators=forest.TREES, random_state=0).fit(flat)
    theirs = -library.score_samples(flat)
    score = core.judge(flat)[0].sum(axis=1)
    assert np.allclose(score, theirs / theirs.mean(), rtol=1e-9)
    assert score.mean() == pytest.approx(1)


def test_each_tag_that_is_at_the_edge_has_a_part_in_the_score(rows, core):
    wrong = rows.copy()
    wrong[:, :, :2] = 5
    part, _ = core.judge(wrong.reshape(len(rows), -1))
    assert (part[:, :2].min(axis=1) > 1.5 * part[:, 2]).mean() > 0.9


def test_tags_without_a_bond_are_expected_at_their_mean(rows, core):
    _, off = core.judge(rows.reshape(len(rows), -1))
    expected = rows[:, -1] - off
    assert np.abs(expected).mean() < 0.3


def test_a_limit_in_single_precision_sends_the_same_rows_to_the_left():
    limits = np.random.default_rng(1).normal(size=1000)
    values = limits.astype(np.float32)
    near = np.concatenate((values, np.nextafter(values, np.float32(9))))
    single = forest._in_single(limits)
    assert np.array_equal(near <= np.tile(limits, 2), near <= np.tile(single, 2))
