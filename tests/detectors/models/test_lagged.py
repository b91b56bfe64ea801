import bundles
import numpy as np
import pytest
from sklearn.cluster import KMeans as Library
from sklearn.covariance import LedoitWolf

from detectors.models import kmeans, mahalanobis
from detectors.models.lagged import (
    FORGETTING,
    LASTING,
    Lagged,
    WindowFrame,
    recency,
    scaled,
    subwindows,
)
from detectors.runtime.gaps import stack


@pytest.fixture(scope="module")
def windows():
    return stack(bundles.windows(bundles.recording(1000)))[0]


@pytest.fixture(scope="module")
def frame(windows):
    cells = windows[:, -1]
    return WindowFrame(
        cells.mean(axis=0), cells.std(axis=0), 4, recency(7), np.zeros(4, dtype=np.bool_)
    )


def test_subwindows_are_all_runs_of_rows(windows):
    rows = subwindows(windows[:2], 4)
    assert rows.shape == (2 * 7, 4 * 4)
    assert np.array_equal(rows[8], windows[1, 1:5].ravel())


def test_recency_sums_to_one_and_decays_into_the_past():
    weight = recency(20)
    assert weight.sum() == pytest.approx(1)
    assert np.allclose(weight[:-1] / weight[1:], 1 - FORGETTING)


def test_the_score_is_the_weighted_mean_of_the_subwindows(windows, frame):
    core = mahalanobis.fit_shrunken(frame.standard(windows[:, -4:]))[0]
    part, _ = core.judge(subwindows(frame.standard(windows[:1]), 4))
    score, contribution, _ = Lagged(frame, core).score(windows[:1])
    assert score[0] == pytest.approx(part.sum(axis=1) @ frame.recency)
    assert contribution.sum() == pytest.approx(score[0])
    assert (contribution >= 0).all()


def test_the_averaged_subwindow_is_scored_too(windows, frame):
    core = mahalanobis.fit_shrunken(frame.rows(windows[:, -4:]))[0]
    model = scaled(frame, core, windows)
    average = frame.average(windows[:1])
    rows = frame.rows(windows[:1]).reshape(7, -1)
    assert np.allclose(average.ravel(), frame.recency @ rows)
    whole, lasting = core.judge(rows)[0], core.judge(average.reshape(1, -1))[0]
    expected = (1 - LASTING) * frame.recency @ whole + model.lasting * lasting[0]
    assert np.allclose(model.score(windows[:1])[1][0], expected)
    share = model.lasting * core.judge(frame.average(windows).reshape(len(windows), -1))[0].sum()
    assert share / len(windows) == pytest.approx(LASTING)


def test_a_small_lasting_shift_is_detected_better_with_the_average():
    noise = np.random.default_rng(1).normal(size=(2000, 4))
    windows = np.lib.stride_tricks.sliding_window_view(noise, 10, axis=0).transpose(0, 2, 1)
    frame = WindowFrame(np.zeros(4), np.ones(4), 4, recency(7), np.zeros(4, dtype=np.bool_))
    core = mahalanobis.fit_shrunken(frame.rows(windows[:, -4:]))[0]
    detected = []
    for model in (Lagged(frame, core), scaled(frame, core, windows)):
        threshold = np.quantile(model.score(windows)[0], 0.99)
        detected.append((model.score(windows + np.array([0, 1.5, 0, 0]))[0] > threshold).mean())
    assert detected[1] > 1.2 * detected[0] > 0


def test_the_shrunken_distance_agrees_with_the_library(windows, frame):
    rows = frame.standard(windows[:, -4:])
    part, _ = mahalanobis.fit_shrunken(rows)[-1].judge(rows.reshape(len(rows), -1))
    library = LedoitWolf().fit(rows.reshape(len(rows), -1))
    distance = library.mahalanobis(rows.reshape(len(rows), -1))
    assert np.allclose(part.sum(axis=1), distance / distance.mean(), rtol=0.05)
    assert np.corrcoef(part.sum(axis=1), distance)[0, 1] > 0.999


@pytest.mark.parametrize("fit", [mahalanobis.fit_shrunken, mahalanobis.fit_robust])
def test_the_residual_is_the_shift_of_a_tag_that_the_others_explain(windows, frame, fit):
    rows = frame.standard(windows[:, -4:])
    shifted = rows[:200].copy()
    shifted[:, -1, 1] += 3
    _, off = fit(rows)[0].judge(shifted.reshape(200, -1))
    assert np.abs(off[:, 1] - 3).mean() < 0.3


def test_the_distance_to_the_nearest_state_agrees_with_the_library(windows, frame):
    rows = frame.standard(windows[:, -4:])
    flat = rows.reshape(len(rows), -1)
    part, off = kmeans.fit(rows)[1].judge(flat)
    library = Library(16, n_init=1, random_state=0).fit(flat)
    distance = library.transform(flat).min(axis=1) ** 2
    assert np.allclose(part.sum(axis=1), distance / distance.mean())
    assert np.allclose(flat[:, -4:] - off, library.cluster_centers_[library.labels_][:, -4:])
