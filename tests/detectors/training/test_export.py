import bundles
import numpy as np

from detectors.bundle import Model
from detectors.gaps import stack
from detectors.training import pca
from detectors.training.export import graph_bytes
from detectors.training.lagged import Frame, Lagged, recency

LENGTH, LAG = 15, 6


def windows_of(source):
    return stack(bundles.windows(source, LENGTH))[0]


def model_of(windows):
    cells = windows[:, -1]
    frame = Frame(cells.mean(axis=0), cells.std(axis=0), LAG, recency(LENGTH - LAG + 1))
    return Lagged(frame, pca.fit(frame.standard(windows[:, -LAG:]))[2])


def test_a_level_of_a_million_with_a_tiny_spread_keeps_its_signal():
    plain = windows_of(bundles.recording(1500))
    raised = windows_of(bundles.recording(1500, level=1e6, spread=1e-3))
    usual, lifted = model_of(plain), model_of(raised)
    scores = Model(graph_bytes(lifted)).run(raised).score
    assert np.allclose(scores, usual.score(plain)[0], rtol=1e-3)
    shifted = raised.copy()
    shifted[:, :, 0] += 5e-3
    found = Model(graph_bytes(lifted)).run(shifted)
    assert (found.score > scores.max()).all()
    assert (found.contribution.argmax(axis=1) == 0).mean() > 0.95
    assert np.abs(found.expected[:, 0] - raised[:, -1, 0]).mean() < 1e-3
