import bundles
import numpy as np
import pytest

from detectors.calibration.held_out import calibrate
from detectors.training.choose import USUAL, Candidate, _sensible, preferred
from detectors.training.fault_injection import InjectedFault
from gateway.api.model import SECOND


def candidate(method, sensitivity):
    scores = np.ones(10)
    calibration = calibrate(scores, 100 * SECOND, SECOND)
    return Candidate(method, None, scores, np.ones((10, 1)), calibration, sensitivity, {})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([("pca", 0.50), ("pca", 0.52)], 0),
        ([("pca", 0.50), ("pca", 0.60)], 1),
        ([("pca", 0.40), ("kmeans", 0.75)], 0),
        ([("pca", 0.40), ("kmeans", 0.85)], 1),
        ([("pca", 0.0), ("kmeans", 0.0)], 0),
    ],
)
def test_the_simpler_and_the_earlier_have_the_benefit_of_doubt(seen, expected):
    candidates = [candidate(*each) for each in seen]
    assert preferred(candidates) is candidates[expected]


def test_the_size_is_chosen_by_shifts_and_the_method_by_everything():
    def seeing(method, shifts, everything):
        return candidate(method, everything)._replace(seen={InjectedFault.SHIFT: shifts})

    plain, literal = seeing("pca", 0.50, 0.30), seeing("pca", 0.51, 0.60)
    assert preferred([plain, literal]) is plain
    assert preferred([plain, literal, seeing("statistics", 0.1, 0.55)]) is plain
    statistics = seeing("statistics", 0.1, 0.65)
    assert preferred([plain, literal, statistics]) is statistics


@pytest.mark.parametrize(
    ("ways", "tags", "left_out"),
    [
        (1, 160, ["regimes"]),
        (2, 160, []),
        (2, 161, ["statistics"]),
        (1, 161, ["regimes", "statistics"]),
    ],
)
def test_what_is_no_help_is_not_tried_unless_nothing_else_is_asked_for(ways, tags, left_out):
    assert list(_sensible(USUAL, ways, tags)) == [name for name in USUAL if name not in left_out]
    for name in ("regimes", "statistics"):
        assert list(_sensible((name,), ways, tags)) == [name]


def chosen_among(values, *methods):
    source = bundles.recording(len(values))
    names = tuple(f"tag{n}" for n in range(values.shape[1]))
    return bundles.untried(source._replace(names=names, values=values), *methods).choice


def test_tags_that_follow_several_hidden_ones_are_told_by_many_components():
    rng = np.random.default_rng(1)
    hidden = np.cumsum(rng.normal(size=(1500, 3)) * (3, 1, 0.3), axis=0) % 20
    values = hidden @ rng.normal(size=(3, 8)) + 0.05 * rng.normal(size=(1500, 8))
    assert chosen_among(values, "pca").model.core.variance >= 0.95


def test_tags_that_have_nothing_to_do_with_each_other_are_not_all_followed():
    noise = np.random.default_rng(1).normal(size=(1500, 6))
    assert chosen_among(noise, "pca").model.core.variance == 0.8


def test_a_plant_with_separate_states_is_judged_by_its_states():
    rng = np.random.default_rng(1)
    states = np.repeat(rng.integers(0, 4, 100), 40)
    levels = 10 * rng.normal(size=(4, 3))
    values = levels[states] + rng.normal(size=(4000, 3))
    choice = chosen_among(values, "pca", "mahalanobis", "kmeans")
    seen = {each.method: each.sensitivity for each in choice.candidates}
    assert seen["kmeans"] > 1.2 * max(seen["pca"], seen["mahalanobis"])


def test_tags_on_a_curved_surface_are_judged_by_the_autoencoder_without_being_told():
    rng = np.random.default_rng(1)
    speed, valve = np.sin(np.cumsum(rng.normal(size=(2500, 2)) * (0.1, 0.07), axis=0)).T
    values = np.stack((speed, valve, speed * valve, speed**2 + valve), axis=1)
    choice = chosen_among(values + 0.03 * rng.normal(size=values.shape), *USUAL)
    assert choice.chosen.method == "autoencoder"
    others = [each.sensitivity for each in choice.candidates if each.method != "autoencoder"]
    assert choice.chosen.sensitivity > 2 * max(others)


def test_the_progress_tells_which_stretch_is_held_out():
    said = []
    bundles.learnt(say=said.append)
    assert "holding out stretch 10 of 10" in said
