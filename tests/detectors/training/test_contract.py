"""Contract of every candidate, whatever its method: each one is trained and exported."""

import json
import subprocess
import sys
from functools import cache

import bundles
import numpy as np
import onnx
import pytest

from detectors.bundle.model import Model
from detectors.bundle.safety import check_model
from detectors.models.export import OPSET, graph_bytes
from detectors.models.forest import Forest
from detectors.models.lagged import CLIP
from detectors.runtime.gaps import stack
from detectors.training.choose import METHODS, models

ROWS, SIX = 500, 6.0
SEVERAL = {"pca": 4, "kmeans": 2, "mahalanobis": 3, "robust": 3, "statistics": 3}
KINDS = [(name, n) for name in METHODS for n in range(SEVERAL.get(name, 1))]
SCORE_ALONE = """
import json, sys
for name in ("sklearn", "scipy", "onnx", "detectors.training"):
    sys.modules[name] = None
import numpy as np
from pathlib import Path
from detectors.bundle.bundle import load
windows = np.load(sys.argv[1])
scores = {path: load(Path(path)).model.run(windows).score.tolist() for path in sys.argv[2:]}
print(json.dumps(scores))
"""


def source(rows=ROWS, seed=1):
    """Four tags that follow two hidden loads."""
    rng = np.random.default_rng(seed)
    hidden = np.stack([np.sin(np.arange(rows) / step) for step in (17, 53)], axis=1)
    mixing = np.array([[1.0, 0.6, -0.8, 0.3], [0.2, -0.9, 0.5, 1.0]])
    values = hidden @ mixing + 0.05 * rng.normal(size=(rows, 4))
    return bundles.recording(rows)._replace(values=values)


@cache
def learnt(method):
    return bundles.untried(source(), method)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}{kind[1]}")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def original(kind):
    method, number = kind
    return learnt(method).choice.candidates[number].model


@pytest.fixture(scope="module")
def exported(original):
    return Model(graph_bytes(original))


@pytest.fixture(scope="module")
def normal():
    return stack(bundles.windows(source()))[0]


def faulty(normal):
    """Windows from nearly normal to absurd."""
    rng = np.random.default_rng(2)
    sizes = 10.0 ** rng.uniform(-2, 4, (len(normal), 1, 1))
    return normal + sizes * rng.normal(size=(len(normal), 1, normal.shape[2]))


def shifted(normal, tag, by):
    windows = normal.copy()
    windows[:, :, tag] += by
    return windows


def test_all_candidates_of_all_methods_are_tested():
    tried = {name: len(learnt(name).choice.candidates) for name in METHODS}
    assert sorted(KINDS) == sorted((name, n) for name in tried for n in range(tried[name]))


@pytest.mark.parametrize("state", ["normal", "faulty"])
def test_the_graph_agrees_with_the_original(state, normal, original, exported):
    windows = normal if state == "normal" else faulty(normal)
    score, contribution, expected = original.score(windows)
    outputs = exported.run(windows)
    assert np.allclose(outputs.score, score, rtol=1e-4, atol=0)
    assert (np.abs(outputs.contribution - contribution) <= 1e-4 * score[:, None]).all()
    scale = np.abs(windows - original.frame.mean).max(axis=(1, 2))[:, None] + original.frame.std
    assert (np.abs(outputs.expected - expected) <= 1e-4 * scale).all()


def test_the_graph_decides_as_the_original_at_any_calibrated_threshold(normal, original, exported):
    windows = np.concatenate((normal, faulty(normal)))
    score, graph_score = original.score(windows)[0], exported.run(windows).score
    for quantile in (0.5, 0.9, 0.99, 0.9995):
        # A threshold lies between the scores of its calibration, not on one.
        threshold = 1.001 * np.quantile(graph_score[: len(normal)], quantile)
        far = np.abs(score / threshold - 1) > 1e-4
        assert np.array_equal((score > threshold)[far], (graph_score > threshold)[far])
        assert far.mean() > 0.99


def test_contributions_are_never_negative_and_sum_to_the_score(normal, exported):
    outputs = exported.run(np.concatenate((normal, faulty(normal))))
    assert (outputs.contribution >= 0).all()
    assert np.allclose(outputs.contribution.sum(axis=1), outputs.score, rtol=1e-9)


def test_the_score_of_a_window_does_not_depend_on_its_batch(normal, exported):
    windows = faulty(normal)[:60]
    whole = exported.run(windows)
    for size in (1, 2, 7, 32):
        for start in (0, 5, 25):
            part = exported.run(windows[start : start + size])
            for output, expected in zip(part, whole, strict=True):
                assert np.array_equal(output, expected[start : start + size])


@pytest.mark.parametrize("by", [-SIX, SIX])
@pytest.mark.parametrize("tag", range(4))
def test_a_shifted_tag_contributes_most_and_its_expected_value_is_nearer_the_truth(
    normal, original, exported, tag, by
):
    shift = by * original.frame.std[tag]
    outputs = exported.run(shifted(normal, tag, shift))
    # A forest's splits are random, so its contributions are less precise.
    least = 0.85 if isinstance(original.core, Forest) else 0.95
    assert (outputs.contribution.argmax(axis=1) == tag).mean() > least
    errors = np.abs(outputs.expected[:, tag] - normal[:, -1, tag])
    assert (errors < abs(shift)).all()
    assert errors.mean() < abs(shift) / 2


def test_extreme_values_give_finite_outputs(normal, original, exported):
    extreme = normal[:4].copy()
    extreme[0, :, 1] = 1e300
    extreme[1, -1] = -1e300
    extreme[2, ::2], extreme[2, 1::2] = 2 * CLIP, -2 * CLIP
    outputs = exported.run(extreme)
    assert all(np.isfinite(each).all() for each in outputs)
    assert (outputs.contribution >= 0).all()
    assert outputs.score[:3].min() > outputs.score[3]


def test_the_same_data_gives_the_same_bytes(kind, original):
    method, number = kind
    windows, frame = learnt(method).prepared.windows, original.frame
    refitted = dict(models((method,), windows, frame))[method, number]
    assert graph_bytes(refitted) == graph_bytes(original)


def test_the_graph_uses_only_what_a_bundle_may_contain(original):
    data = graph_bytes(original)
    assert check_model(data).opset == OPSET
    graph = onnx.load_model_from_string(data).graph
    assert [entry.name for entry in graph.input] == ["window"]
    assert [entry.name for entry in graph.output] == ["score", "contribution", "expected"]


def test_a_line_scores_without_the_training_tools(tmp_path, normal):
    """A bundle of each method is loaded, verified and run where they cannot be imported."""
    windows, paths = tmp_path / "windows.npy", {}
    np.save(windows, normal[:3])
    for method in METHODS:
        (tmp_path / method).mkdir()
        paths[method] = str(bundles.write(tmp_path / method, learnt(method)))
    done = subprocess.run(
        [sys.executable, "-c", SCORE_ALONE, windows, *paths.values()],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    scores = json.loads(done.stdout)
    for method, path in paths.items():
        assert np.allclose(scores[path], learnt(method).model.score(normal[:3])[0], rtol=1e-4)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "forest"])
def test_a_fault_exceeds_the_threshold(method):
    """Without the forest: its score can hardly rise above that of unusual normal running."""
    faulty_window = learnt(method).examples[:1].copy()
    faulty_window[:, :, 1] += SIX * learnt(method).model.frame.std[1]
    assert learnt(method).model.score(faulty_window)[0] > learnt(method).threshold
