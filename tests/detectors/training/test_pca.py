import bundles
import numpy as np
import pytest
from sklearn.decomposition import PCA

from detectors.gaps import stack
from detectors.training.pca import VARIANCES, fit, fit_with, smallest_shift


@pytest.fixture(scope="module")
def windows():
    return stack(bundles.windows(bundles.recording(1500)))[0]


def test_the_residual_is_that_of_the_library(windows):
    model = fit_with(windows, 0.95)
    flat = ((windows - model.mean) / model.std).reshape(len(windows), -1)
    library = PCA(n_components=0.95, svd_solver="covariance_eigh").fit(flat)
    rebuilt = library.inverse_transform(library.transform(flat))
    assert np.allclose((flat - rebuilt).reshape(windows.shape), model.residual(windows), atol=1e-9)


def test_the_score_is_one_on_average_over_what_was_fitted(windows):
    assert fit(windows).score(windows)[0].mean() == pytest.approx(1)


def test_contributions_sum_to_the_score(windows):
    score, contribution, _ = fit(windows).score(windows)
    assert np.allclose(contribution.sum(axis=1), score, rtol=1e-12)


def test_the_choice_is_nearly_as_sensitive_as_the_best(windows):
    cut = len(windows) * 8 // 10
    shifts = {v: smallest_shift(fit_with(windows[:cut], v), windows[cut:]) for v in VARIANCES}
    chosen = fit(windows).variance
    assert shifts[chosen] <= 1.25 * min(shifts.values())
    assert all(shifts[v] > 1.25 * min(shifts.values()) for v in VARIANCES if v < chosen)


def test_tags_that_have_nothing_to_do_with_each_other_are_not_all_followed():
    noise = np.random.default_rng(1).normal(size=(1500, 6))
    windows = np.lib.stride_tricks.sliding_window_view(noise, 10, axis=0).transpose(0, 2, 1)
    assert fit(windows).variance <= 0.85


def test_more_windows_than_are_needed_are_thinned_evenly(windows, monkeypatch):
    monkeypatch.setattr("detectors.training.pca.MOST_FITTED", 500)
    thinned = fit(windows)
    assert thinned.mean == pytest.approx(windows[::3].mean(axis=(0, 1)))


def test_expected_undoes_the_shift_of_a_tag_that_the_others_tell(windows):
    model = fit(windows)
    shifted = windows[:200].copy()
    shifted[:, :, 1] += 3 * model.std[1]
    expected = model.score(shifted)[2][:, 1]
    assert np.abs(expected - windows[:200, -1, 1]).mean() < 0.15 * model.std[1]
