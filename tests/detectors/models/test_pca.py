import bundles
import numpy as np
import pytest
from sklearn.decomposition import PCA

from detectors.models.pca import VARIANCES, fit, residual
from detectors.runtime.gaps import stack


@pytest.fixture(scope="module")
def rows():
    windows = stack(bundles.windows(bundles.recording(1500)))[0]
    cells = windows[:, -1]
    return (windows - cells.mean(axis=0)) / cells.std(axis=0)


@pytest.mark.parametrize("number", range(len(VARIANCES)))
def test_the_residual_agrees_with_the_library(rows, number):
    core = fit(rows)[number]
    flat = rows.reshape(len(rows), -1)
    library = PCA(n_components=VARIANCES[number], svd_solver="covariance_eigh").fit(flat)
    rebuilt = library.inverse_transform(library.transform(flat))
    assert np.allclose(flat - rebuilt, residual(flat - core.centre, core.components), atol=1e-9)


def test_the_mean_score_of_the_fitted_rows_is_one(rows):
    for core in fit(rows):
        part, _ = core.judge(rows.reshape(len(rows), -1))
        assert part.sum(axis=1).mean() == pytest.approx(1)


def test_the_residual_is_the_shift_of_a_tag_that_the_others_explain(rows):
    shifted = rows[:200].copy()
    shifted[:, :, 1] += 3
    _, off = fit(rows)[2].judge(shifted.reshape(200, -1))
    assert np.abs(off[:, 1] - 3).mean() < 0.25
