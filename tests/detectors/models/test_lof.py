import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

from detectors.models import lof


@pytest.fixture(scope="module")
def rows():
    """Sub-windows of two states, one ten times as wide as the other, [row, time, tag]."""
    rows = np.random.default_rng(1).normal(size=(400, 2, 3))
    rows[::2] = 20 + 10 * rows[::2]
    return rows


def test_the_factor_agrees_with_the_library(rows):
    flat = rows.reshape(len(rows), -1)
    library = LocalOutlierFactor(lof.NEIGHBOURS, novelty=True).fit(flat)
    others = 10 * np.random.default_rng(2).normal(size=(300, flat.shape[1]))
    score = lof.fit(rows)[0].judge(others)[0].sum(axis=1)
    assert np.allclose(score, -library.score_samples(others), rtol=1e-6)


def test_a_distance_normal_for_a_wide_state_is_anomalous_for_a_narrow_one(rows):
    core = lof.fit(rows)[0]
    moved = rows.copy()
    moved[:, :, 0] += 8
    score = core.judge(moved.reshape(len(rows), -1))[0].sum(axis=1)
    assert np.median(score[1::2]) > 3 * np.median(score[::2])


def test_the_residual_is_the_distance_from_the_mean_of_the_neighbours(rows):
    flat = rows.reshape(len(rows), -1)
    _, off = lof.fit(rows)[0].judge(flat[:50])
    for row, residual in zip(flat[:50], off, strict=True):
        nearest = np.argsort(((flat - row) ** 2).sum(axis=1))[: lof.NEIGHBOURS]
        assert np.allclose(residual, (row - flat[nearest].mean(axis=0))[-3:])


def test_identical_subwindows_give_no_infinite_score():
    rows = np.zeros((304, 2, 3))
    rows[:100] = np.random.default_rng(1).normal(size=(100, 2, 3))
    core = lof.fit(rows)[0]
    score = core.judge(np.array([[0.0] * 6, [1e-3] * 6, [9.0] * 6]))[0].sum(axis=1)
    assert np.isfinite(score).all()
    assert score[0] < 2


def test_many_subwindows_are_evenly_downsampled():
    rows = np.arange(5000.0).reshape(-1, 1, 1)
    core = lof.fit(rows)[0]
    assert (len(core.points), core.points[0, 0], core.points[-1, 0]) == (lof.MAX_POINTS, 0, 4999)
