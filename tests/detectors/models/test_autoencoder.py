import numpy as np
import pytest
from sklearn.decomposition import PCA

from detectors.models import autoencoder, pca


@pytest.fixture(scope="module")
def circle():
    """Two tags on a circle, at times two rows apart, with a little noise: [row, time, tag]."""
    rng = np.random.default_rng(1)
    angle = np.cumsum(rng.normal(size=2001) * 0.15)
    around = np.stack((np.cos(angle), np.sin(angle)), axis=1) * np.sqrt(2)
    around += 0.03 * rng.normal(size=around.shape)
    return np.stack((around[:-1], around[1:]), axis=1)


@pytest.fixture(scope="module")
def core(circle):
    return autoencoder.fit(circle)[0]


def total(core, rows):
    return core.judge(rows.reshape(len(rows), -1))[0].sum(axis=1)


def test_a_point_off_the_curve_is_anomalous_though_each_tag_is_in_its_usual_range(circle, core):
    inside = 0.4 * circle
    anomalous = total(core, inside) > np.quantile(total(core, circle), 0.99)
    assert anomalous.mean() > 0.9
    # The points stay within the plane, so the linear model detects nothing.
    plane = pca.fit(circle)[0]
    assert (total(plane, inside) > np.quantile(total(plane, circle), 0.99)).mean() < 0.01


def test_expected_values_lie_on_the_curve(circle, core):
    moved = circle + np.array([0.7, 0.0])
    _, off = core.judge(moved.reshape(len(moved), -1))
    before = np.abs(np.hypot(*moved[:, -1].T) - np.sqrt(2))
    after = np.abs(np.hypot(*(moved[:, -1] - off).T) - np.sqrt(2))
    assert after.mean() < before.mean() / 2


def test_the_mean_score_of_the_fitted_rows_is_one(circle, core):
    assert total(core, circle).mean() == pytest.approx(1)


def test_the_network_agrees_with_the_library(circle, core, monkeypatch):
    from sklearn.neural_network import MLPRegressor

    fitted = []
    fit = MLPRegressor.fit
    monkeypatch.setattr(
        MLPRegressor, "fit", lambda net, *data: fitted.append(net) or fit(net, *data)
    )
    core = autoencoder.fit(circle)[0]
    flat = circle.reshape(len(circle), -1)
    centred = flat - PCA(svd_solver="covariance_eigh").fit(flat).mean_
    usual = fitted[0].predict(centred @ core.down) @ core.up
    assert np.allclose(core.residual(flat).reshape(len(flat), -1), centred - usual)


@pytest.mark.parametrize("shape", [(300, 1, 1), (300, 10, 1), (300, 4, 50)])
def test_one_value_and_many_can_be_fitted(shape):
    rows = np.random.default_rng(1).normal(size=shape)
    core = autoencoder.fit(rows)[0]
    assert core.down.shape[1] <= autoencoder.MAX_COMPONENTS
    assert np.isfinite(total(core, rows)).all()
