"""A plant of two products: a change-over is normal, and a fault is detected within each product."""

import bundles
import numpy as np
import pytest

from detectors.bundle.model import Model
from detectors.data.recordings import Recording
from detectors.models import regimes
from detectors.training.learn import learn
from detectors.training.prepare import TrainingOptions
from gateway.api.model import SECOND

NAMES = ("speed", "flow", "pressure", "current")
LEVEL = np.array([(1500, 40, 4, 12), (2900, 62, 7, 21)], dtype=float)
GAIN = np.array([(30, 2, 0.2, 0.8), (40, 1, -0.4, 1.5)])
NOISE = np.array((1.5, 0.2, 0.02, 0.1))
LAG = np.array((4, 6, 5, 4), dtype=float)
RUN = 250


def plant(rows, seed):
    """(recording, product of each row), with a change-over every few minutes."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.integers(RUN, 2 * RUN, rows // RUN))
    product = np.searchsorted(ends, np.arange(rows), "right") % 2
    level, gain, load = LEVEL[product[0]], GAIN[product[0]], 0.0
    values = np.empty((rows, len(NAMES)))
    for row, now in enumerate(product):
        load = 0.97 * load + 0.24 * rng.normal()
        level = level + (LEVEL[now] - level) / LAG
        gain = gain + (GAIN[now] - gain) / LAG
        values[row] = level + gain * load
    values += NOISE * rng.normal(size=values.shape)
    times = bundles.START + np.arange(1, rows + 1, dtype=np.int64) * SECOND
    return Recording(NAMES, times, values, {}), product


@pytest.fixture(scope="module")
def learnt():
    return learn(plant(5000, 1)[0], TrainingOptions(), lambda _: None, ("regimes", "pca"))


@pytest.fixture(scope="module")
def another():
    """Windows of another day, and the product of each where it has run for two minutes."""
    recording, product = plant(5000, 2)
    length = 29
    views = np.lib.stride_tricks.sliding_window_view(recording.values, length, axis=0)
    same = np.lib.stride_tricks.sliding_window_view(product, 120)
    settled = (same == same[:, :1]).all(axis=1)
    return views.transpose(0, 2, 1)[120 - length :], np.where(settled, same[:, -1], -1)


def exceedances(scores, threshold, rows=21):
    """Number of times that the threshold is exceeded for as long as the on-delay."""
    long = np.convolve(scores > threshold, np.ones(rows), "valid") == rows
    return int((np.diff(long.astype(int), prepend=0) == 1).sum())


def test_separate_states_make_regimes_the_first_choice(learnt):
    assert learnt.choice.chosen.method == "regimes"
    assert learnt.choice.candidates[0].method == "regimes"


def test_a_recorded_change_over_raises_no_alarm(learnt, another):
    windows, product = another
    assert np.count_nonzero(np.diff(product)) > 10
    scores = Model(learnt.graph).run(windows).score
    assert exceedances(scores, learnt.threshold) == 0
    assert learnt.trial.judged.episodes == ()


@pytest.mark.parametrize("product", [0, 1])
@pytest.mark.parametrize("tag", range(1, len(NAMES)))
def test_a_fault_within_a_product_is_detected_and_named(learnt, another, product, tag):
    windows, products = another
    some = windows[np.flatnonzero(products == product)[::50]].copy()
    # Far less than the distance to the other product.
    some[:, :, tag] += 3 * np.hypot(GAIN[product, tag], NOISE[tag])
    outputs = Model(learnt.graph).run(some)
    assert (outputs.score > learnt.threshold).mean() > 0.9
    first_two = np.argsort(-outputs.contribution, axis=1)[:, :2]
    assert (first_two == tag).any(axis=1).mean() > 0.9


def test_expected_values_are_those_of_the_product(learnt, another):
    windows, products = another
    some = windows[np.flatnonzero(products == 1)[::50]].copy()
    right = some[:, -1, 1].copy()
    some[:, :, 1] += 5
    expected = Model(learnt.graph).run(some).expected[:, 1]
    assert np.median(np.abs(expected - right)) < 1.5


def test_the_graph_agrees_with_the_original(learnt, another):
    windows, _ = another
    graph, original = Model(learnt.graph).run(windows), learnt.model.score(windows)
    # A sub-window half way between two states may be rounded to the other one.
    close = np.isclose(graph.score, original[0], rtol=1e-4)
    assert close.mean() > 0.999
    assert np.allclose(graph.contribution[close], original[1][close], rtol=1e-3, atol=1e-4)
    assert np.allclose(graph.contribution.sum(axis=1), graph.score, rtol=1e-12)
    assert (graph.contribution >= 0).all()


def standard(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def test_only_well_separated_operating_modes_are_counted():
    rng = np.random.default_rng(1)
    sine = np.sin(np.arange(4000) / 50)[:, None]
    for one in (
        rng.normal(size=(4000, 3)),
        rng.random((4000, 1)),
        sine,
        bundles.recording().values,
    ):
        assert regimes.count_modes(standard(one)) == 1
    assert regimes.count_modes(standard(plant(4000, 1)[0].values)) == 2
    three = rng.integers(0, 3, 4000)[:, None] * (5.0, 3.0) + 0.3 * rng.normal(size=(4000, 2))
    assert regimes.count_modes(standard(three)) == 3
    outliers = rng.normal(size=(4000, 3)) + 50 * (np.arange(4000) % 100 == 0)[:, None]
    assert regimes.count_modes(standard(outliers)) == 1


def test_regimes_are_not_tried_on_a_plant_with_a_single_mode():
    choice = bundles.learnt(methods=("regimes", "pca")).choice
    assert {candidate.method for candidate in choice.candidates} == {"pca"}
