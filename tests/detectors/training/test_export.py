import bundles
import numpy as np
import onnx
import pytest

from detectors.bundle import Model
from detectors.gaps import stack
from detectors.safety import check_model
from detectors.training.choose import METHODS
from detectors.training.export import OPSET, graph_bytes
from detectors.training.lagged import Frame, Lagged, recency

LENGTH, LAG = 15, 6
KINDS = [("pca", n) for n in range(4)] + [
    ("mahalanobis", 0), ("robust", 0), ("kmeans", 0), ("kmeans", 1)
]  # fmt: skip


def windows_of(source):
    return stack(bundles.windows(source, LENGTH))[0]


def model_of(windows, method, number=0):
    cells = windows[:, -1]
    frame = Frame(cells.mean(axis=0), cells.std(axis=0), LAG, recency(LENGTH - LAG + 1))
    core = METHODS[method](frame.standard(windows[:, -LAG:]))[number]
    return Lagged(frame, core)


@pytest.fixture(scope="module")
def normal():
    return windows_of(bundles.recording(1500))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}{kind[1]}")
def original(normal, request):
    return model_of(normal, *request.param)


@pytest.fixture(scope="module")
def exported(original):
    return Model(graph_bytes(original))


def faulty(normal):
    """Windows from nearly normal to absurd."""
    rng = np.random.default_rng(2)
    sizes = 10.0 ** rng.uniform(-2, 4, (len(normal), 1, 1))
    return normal + sizes * rng.normal(size=(len(normal), 1, normal.shape[2]))


@pytest.mark.parametrize("kind", ["normal", "faulty"])
def test_the_graph_agrees_with_the_original(kind, normal, original, exported):
    windows = normal if kind == "normal" else faulty(normal)
    score, contribution, expected = original.score(windows)
    found = exported.run(windows)
    assert np.allclose(found.score, score, rtol=1e-4, atol=0)
    assert (np.abs(found.contribution - contribution) <= 1e-4 * score[:, None]).all()
    scale = np.abs(windows - original.frame.mean).max(axis=(1, 2))[:, None] + original.frame.std
    assert (np.abs(found.expected - expected) <= 1e-4 * scale).all()


def test_no_decision_is_flipped_at_any_calibrated_threshold(normal, original, exported):
    windows = np.concatenate((normal, faulty(normal)))
    score, found = original.score(windows)[0], exported.run(windows).score
    for quantile in (0.5, 0.9, 0.99, 0.9995):
        # A threshold lies beside the scores that it was made from, as calibration makes it.
        threshold = 1.001 * np.quantile(found[: len(normal)], quantile)
        far = np.abs(score / threshold - 1) > 1e-4
        assert np.array_equal((score > threshold)[far], (found > threshold)[far])
        assert far.mean() > 0.99


def test_a_level_of_a_million_with_a_tiny_spread_keeps_its_signal():
    plain = windows_of(bundles.recording(1500))
    raised = windows_of(bundles.recording(1500, level=1e6, spread=1e-3))
    usual, lifted = model_of(plain, "pca", 2), model_of(raised, "pca", 2)
    scores = Model(graph_bytes(lifted)).run(raised).score
    assert np.allclose(scores, usual.score(plain)[0], rtol=1e-3)
    shifted = raised.copy()
    shifted[:, :, 0] += 5e-3
    found = Model(graph_bytes(lifted)).run(shifted)
    assert (found.score > scores.max()).all()
    assert (found.contribution.argmax(axis=1) == 0).mean() > 0.95
    assert np.abs(found.expected[:, 0] - raised[:, -1, 0]).mean() < 1e-3


def test_the_graph_keeps_to_what_a_bundle_may_hold(original):
    data = graph_bytes(original)
    assert check_model(data) == OPSET
    graph = onnx.load_model_from_string(data).graph
    assert [entry.name for entry in graph.input] == ["window"]
    assert [entry.name for entry in graph.output] == ["score", "contribution", "expected"]


def test_the_same_model_gives_the_same_bytes(original):
    assert graph_bytes(original) == graph_bytes(original)
