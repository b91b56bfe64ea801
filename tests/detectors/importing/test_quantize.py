"""8 bits are kept only if they are faster and as accurate."""

import numpy as np
import onnx
import pytest
from foreign_models import model
from onnx import helper

from detectors.bundle.model import Model
from detectors.importing.perturb import perturbed
from detectors.importing.quantize import judge, quantized
from detectors.importing.scaling import scaling_for
from detectors.importing.signature import SignatureHints, signature_of
from detectors.importing.wrap import Centring, wrapped

RANKS = np.arange(1000.0)


def test_a_faster_model_with_the_same_ranking_and_decisions_is_kept():
    result = judge(RANKS, RANKS * 1.001, threshold=990.0, speed_up=1.5)
    assert result.taken, result.why


@pytest.mark.parametrize(
    ("after", "speed_up", "reason"),
    [
        (RANKS, 1.0, "not faster on this machine"),
        (RANKS[::-1], 2.0, "its ranking differs"),
        (RANKS + 20, 2.0, "of the decisions differ"),
        (np.full(1000, np.nan), 2.0, "NaN or infinity"),
    ],
)
def test_any_disadvantage_is_a_reason_not_to_keep_it(after, speed_up, reason):
    result = judge(RANKS, after, threshold=990.0, speed_up=speed_up)
    assert not result.taken
    assert reason in result.why


def test_the_graph_that_is_used_scores_as_reported(caplog):
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(2000, 6)) @ rng.normal(size=(6, 64))
    rows = hidden + 0.1 * rng.normal(size=hidden.shape)
    _, _, axes = np.linalg.svd(rows[:1000], full_matrices=False)
    names = {"down": axes[:6].T.astype(np.float32), "up": axes[:6].astype(np.float32)}
    nodes = [
        helper.make_node("MatMul", ["input", "down"], ["code"]),
        helper.make_node("MatMul", ["code", "up"], ["output"]),
    ]
    proto = onnx.load_model_from_string(model(nodes, names, (64,), (64,)))
    windows = rows[:, None, :]
    signature = signature_of(proto, 64, SignatureHints())
    scaling = scaling_for("none", [f"t{n}" for n in range(64)], windows[:1000])
    graph = wrapped(proto, signature, scaling, Centring())
    held_out = windows[1000:]
    limit = 3 * float(Model(graph).run(held_out).score.max())
    used, result = quantized(graph, windows[:1000], held_out, limit)
    assert caplog.records == []
    assert (used != graph) == result.taken
    assert bool(result.why) != result.taken
    assert result.rank_correlation > 0.95
    both = np.concatenate((held_out, perturbed(held_out)))
    before, after = Model(graph).run(both).score, Model(used).run(both).score
    assert np.mean((before > limit) != (after > limit)) <= 0.001


def test_a_perturbed_window_has_one_tag_shifted_and_the_others_unchanged():
    windows = np.random.default_rng(1).normal(size=(24, 5, 3))
    shift = perturbed(windows) - windows
    assert ((np.abs(shift) > 0).any(axis=1).sum(axis=1) == 1).all()
    assert np.allclose(shift, shift[:, :1], atol=1e-12), "for the whole of the window"
    assert len(np.unique(np.round(np.abs(shift).max(axis=(1, 2)), 9))) > 4, "by several amounts"
