import bundles
import numpy as np
import pytest

from detectors.bundle.model import Model
from detectors.models import pca
from detectors.models.export import graph_bytes
from detectors.models.lagged import Lagged, WindowFrame, recency, scaled
from detectors.runtime.gaps import stack
from detectors.training.choose import METHODS

LENGTH, LAG = 15, 6


def windows_of(source):
    return stack(bundles.windows(source, LENGTH))[0]


def frame_of(windows, *columns):
    cells = windows[:, -1]
    nonstationary = np.isin(np.arange(cells.shape[1]), columns)
    weights = recency(LENGTH - LAG + 1)
    return WindowFrame(cells.mean(axis=0), cells.std(axis=0), LAG, weights, nonstationary)


def model_of(windows):
    frame = frame_of(windows)
    return Lagged(frame, pca.fit(frame.rows(windows[:, -LAG:]))[2])


def test_a_level_of_a_million_with_a_tiny_spread_keeps_its_signal():
    plain = windows_of(bundles.recording(1500))
    raised = windows_of(bundles.recording(1500, level=1e6, spread=1e-3))
    usual, lifted = model_of(plain), model_of(raised)
    scores = Model(graph_bytes(lifted)).run(raised).score
    assert np.allclose(scores, usual.score(plain)[0], rtol=1e-3)
    shifted = raised.copy()
    shifted[:, :, 0] += 5e-3
    outputs = Model(graph_bytes(lifted)).run(shifted)
    assert (outputs.score > scores.max()).all()
    assert (outputs.contribution.argmax(axis=1) == 0).mean() > 0.95
    assert np.abs(outputs.expected[:, 0] - raised[:, -1, 0]).mean() < 1e-3


@pytest.mark.parametrize("method", ["mahalanobis", "kmeans", "statistics"])
def test_with_a_nonstationary_tag_the_graph_agrees_and_ignores_its_level(method):
    windows = windows_of(bundles.recording(600))
    frame, kind = frame_of(windows, 1), METHODS[method]
    core = kind.fit(frame.rows(windows[:, -LAG:]))[0]
    original = scaled(frame, core, windows) if kind.lasting else Lagged(frame, core)
    exported = Model(graph_bytes(original))
    score = original.score(windows)[0]
    assert np.allclose(exported.run(windows).score, score, rtol=1e-4, atol=0)
    for tag, is_detected in ((1, False), (0, True)):
        moved = windows.copy()
        moved[:, :, tag] += 20 * frame.std[tag]
        assert np.allclose(exported.run(moved).score, score, rtol=1e-3) != is_detected
