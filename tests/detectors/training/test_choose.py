import bundles
import numpy as np
import pytest

from detectors.calibration.held_out import calibrate
from detectors.training.choose import DEFAULT_METHODS, Candidate, _applicable, preferred
from detectors.training.fault_injection import InjectedFault
from gateway.api.model import SECOND


def candidate(method, sensitivity):
    scores = np.ones(10)
    calibration = calibrate(scores, 100 * SECOND, SECOND)
    return Candidate(method, None, scores, np.ones((10, 1)), calibration, sensitivity, {})


@pytest.mark.parametrize(
    ("sensitivities", "expected"),
    [
        ([("pca", 0.50), ("pca", 0.52)], 0),
        ([("pca", 0.50), ("pca", 0.60)], 1),
        ([("pca", 0.40), ("kmeans", 0.75)], 0),
        ([("pca", 0.40), ("kmeans", 0.85)], 1),
        ([("pca", 0.0), ("kmeans", 0.0)], 0),
    ],
)
def test_the_simpler_candidate_and_the_earlier_method_are_preferred(sensitivities, expected):
    candidates = [candidate(*each) for each in sensitivities]
    assert preferred(candidates) is candidates[expected]


def test_the_size_is_chosen_by_shifts_and_the_method_by_all_faults():
    def detecting(method, shifts, all_faults):
        return candidate(method, all_faults)._replace(seen={InjectedFault.SHIFT: shifts})

    plain, close = detecting("pca", 0.50, 0.30), detecting("pca", 0.51, 0.60)
    assert preferred([plain, close]) is plain
    assert preferred([plain, close, detecting("statistics", 0.1, 0.55)]) is plain
    statistics = detecting("statistics", 0.1, 0.65)
    assert preferred([plain, close, statistics]) is statistics


@pytest.mark.parametrize(
    ("modes", "tags", "left_out"),
    [
        (1, 160, ["regimes"]),
        (2, 160, []),
        (2, 161, ["statistics"]),
        (1, 161, ["regimes", "statistics"]),
    ],
)
def test_a_useless_method_is_not_tried_unless_it_is_the_only_one(modes, tags, left_out):
    assert list(_applicable(DEFAULT_METHODS, modes, tags)) == [
        name for name in DEFAULT_METHODS if name not in left_out
    ]
    for name in ("regimes", "statistics"):
        assert list(_applicable((name,), modes, tags)) == [name]


def chosen_among(values, *methods):
    source = bundles.recording(len(values))
    names = tuple(f"tag{n}" for n in range(values.shape[1]))
    return bundles.untried(source._replace(names=names, values=values), *methods).choice


def test_tags_that_follow_several_hidden_ones_need_many_components():
    rng = np.random.default_rng(1)
    hidden = np.cumsum(rng.normal(size=(1500, 3)) * (3, 1, 0.3), axis=0) % 20
    values = hidden @ rng.normal(size=(3, 8)) + 0.05 * rng.normal(size=(1500, 8))
    assert chosen_among(values, "pca").model.core.variance >= 0.95


def test_independent_tags_need_few_components():
    noise = np.random.default_rng(1).normal(size=(1500, 6))
    assert chosen_among(noise, "pca").model.core.variance == 0.8


def test_a_plant_with_separate_states_is_detected_best_by_states():
    rng = np.random.default_rng(1)
    states = np.repeat(rng.integers(0, 4, 100), 40)
    levels = 10 * rng.normal(size=(4, 3))
    values = levels[states] + rng.normal(size=(4000, 3))
    choice = chosen_among(values, "pca", "mahalanobis", "kmeans")
    sensitivity = {each.method: each.sensitivity for each in choice.candidates}
    assert sensitivity["kmeans"] > 1.2 * max(sensitivity["pca"], sensitivity["mahalanobis"])


def test_the_autoencoder_is_chosen_for_tags_on_a_curved_surface():
    rng = np.random.default_rng(1)
    speed, valve = np.sin(np.cumsum(rng.normal(size=(2500, 2)) * (0.1, 0.07), axis=0)).T
    values = np.stack((speed, valve, speed * valve, speed**2 + valve), axis=1)
    choice = chosen_among(values + 0.03 * rng.normal(size=values.shape), *DEFAULT_METHODS)
    assert choice.chosen.method == "autoencoder"
    others = [each.sensitivity for each in choice.candidates if each.method != "autoencoder"]
    assert choice.chosen.sensitivity > 2 * max(others)


def test_the_progress_names_the_fold():
    steps = []
    bundles.learnt(say=steps.append)
    assert "cross-validating fold 10 of 10" in steps
