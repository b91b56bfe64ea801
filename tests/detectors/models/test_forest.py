import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from detectors.models import forest


@pytest.fixture(scope="module")
def rows():
    """Three independent tags, [row, time, tag]."""
    return np.random.default_rng(1).normal(size=(600, 2, 3)).astype(np.float32).astype(float)


@pytest.fixture(scope="module")
def core(rows):
    return forest.fit(rows)[0]


def test_the_score_agrees_with_the_library(rows, core):
    flat = rows.reshape(len(rows), -1)
    library = IsolationForest(n_estimators=forest.TREES, random_state=0).fit(flat)
    theirs = -library.score_samples(flat)
    score = core.judge(flat)[0].sum(axis=1)
    assert np.allclose(score, theirs / theirs.mean(), rtol=1e-9)
    assert score.mean() == pytest.approx(1)


def test_each_tag_with_an_extreme_value_contributes_to_the_score(rows, core):
    extreme = rows.copy()
    extreme[:, :, :2] = 5
    part, _ = core.judge(extreme.reshape(len(rows), -1))
    assert (part[:, :2].min(axis=1) > 1.5 * part[:, 2]).mean() > 0.9


def test_independent_tags_are_expected_at_their_mean(rows, core):
    _, off = core.judge(rows.reshape(len(rows), -1))
    expected = rows[:, -1] - off
    assert np.abs(expected).mean() < 0.3


def test_a_limit_in_single_precision_sends_the_same_rows_left():
    limits = np.random.default_rng(1).normal(size=1000)
    values = limits.astype(np.float32)
    near = np.concatenate((values, np.nextafter(values, np.float32(9))))
    single = forest._in_single(limits)
    assert np.array_equal(near <= np.tile(limits, 2), near <= np.tile(single, 2))
