import numpy as np
import pytest

from detectors.models.nonstationary import (
    between_parts,
    nonstationary_directions,
    nonstationary_tags,
)

RNG = np.random.default_rng(1)
NOISE = RNG.normal(size=(2000, 1))
WALK = np.cumsum(RNG.normal(size=(2000, 1)), axis=0)
SWING = np.sin(np.arange(2000) / 17)[:, None]


def standard(*columns):
    rows = np.hstack(columns)
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def test_a_random_walk_has_its_variance_between_the_parts_and_noise_has_not():
    walks = np.cumsum(RNG.normal(size=(1000, 300)), axis=0)
    assert between_parts(walks).mean() == pytest.approx(0.7, abs=0.03)
    assert (between_parts(np.hstack((NOISE, SWING))) < 0.05).all()
    assert nonstationary_directions(np.hstack((NOISE, SWING, WALK))).tolist() == [
        False,
        False,
        True,
    ]


def test_a_constant_column_is_stationary():
    assert not nonstationary_directions(np.ones((100, 1))).any()


def test_a_tag_that_drifts_alone_is_nonstationary_and_tags_that_drift_together_are_not():
    follower = 2 * WALK + 3 * RNG.normal(size=(2000, 1))
    assert nonstationary_tags(standard(NOISE, WALK)).tolist() == [False, True]
    assert nonstationary_tags(standard(NOISE, WALK, follower)).tolist() == [False, False, False]
