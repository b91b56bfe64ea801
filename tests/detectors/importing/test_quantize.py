"""8 bits are kept only where they cost nothing and gain something."""

import numpy as np
import onnx
import pytest
from foreign_models import model
from onnx import helper

from detectors.bundle.bundle import Model
from detectors.importing.perturb import perturbed
from detectors.importing.quantize import judge, quantized
from detectors.importing.scaling import scaling_for
from detectors.importing.signature import SignatureHints, signature_of
from detectors.importing.wrap import Centring, wrapped

RANKS = np.arange(1000.0)


def test_a_model_that_ranks_decides_and_is_faster_is_taken():
    verdict = judge(RANKS, RANKS * 1.001, threshold=990.0, speed_up=1.5)
    assert verdict.taken, verdict.why


@pytest.mark.parametrize(
    ("after", "speed_up", "said"),
    [
        (RANKS, 1.0, "not faster here"),
        (RANKS[::-1], 2.0, "ranks windows otherwise"),
        (RANKS + 20, 2.0, "of the decisions differ"),
        (np.full(1000, np.nan), 2.0, "no numbers"),
    ],
)
def test_each_thing_that_it_costs_is_a_reason_to_leave_it(after, speed_up, said):
    verdict = judge(RANKS, after, threshold=990.0, speed_up=speed_up)
    assert not verdict.taken
    assert said in verdict.why


def test_the_graph_that_is_used_scores_as_the_verdict_says(caplog):
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
    form = signature_of(proto, 64, SignatureHints())
    scaling = scaling_for("none", [f"t{n}" for n in range(64)], windows[:1000])
    graph = wrapped(proto, form, scaling, Centring())
    tried = windows[1000:]
    limit = 3 * float(Model(graph).run(tried).score.max())
    used, verdict = quantized(graph, windows[:1000], tried, limit)
    assert caplog.records == []
    assert (used != graph) == verdict.taken
    assert bool(verdict.why) != verdict.taken
    assert verdict.rank_correlation > 0.95
    both = np.concatenate((tried, perturbed(tried)))
    before, after = Model(graph).run(both).score, Model(used).run(both).score
    assert np.mean((before > limit) != (after > limit)) <= 0.001


def test_a_disturbed_window_has_one_tag_moved_and_the_others_as_they_were():
    windows = np.random.default_rng(1).normal(size=(24, 5, 3))
    off = perturbed(windows) - windows
    assert ((np.abs(off) > 0).any(axis=1).sum(axis=1) == 1).all()
    assert np.allclose(off, off[:, :1], atol=1e-12), "for the whole of the window"
    assert len(np.unique(np.round(np.abs(off).max(axis=(1, 2)), 9))) > 4, "by several amounts"
