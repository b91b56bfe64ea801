import bundles
import numpy as np
import pytest

from detectors.training.sensitivity import reactions
from gateway.api.model import SECOND

DELAY = 20 * SECOND


@pytest.fixture(scope="module")
def trial():
    return bundles.learnt(bundles.recording(1500), methods=("pca",)).trial


def test_a_larger_jump_is_detected_at_least_as_often_and_as_soon(trial):
    for small, middle, large in reactions(trial, DELAY).values():
        assert small.seen <= middle.seen <= large.seen
        assert (large.delay or 0) <= (middle.delay or 2**62) <= (small.delay or 2**62)


def test_the_size_is_in_the_unit_of_the_tag(trial):
    jumps = reactions(trial, DELAY)["flow"]
    std = trial.choice.model.frame.std[1]
    assert [each.size for each in jumps] == [std, 2 * std, 3 * std]


def test_a_jump_of_a_tag_that_follows_others_is_detected_within_a_window_and_the_delay(trial):
    first, _, third = reactions(trial, DELAY)["flow"]
    assert first.seen == third.seen == 1
    assert DELAY <= third.delay <= DELAY + 9 * SECOND
    # The same jump applied by hand: the delay is the shifted rows plus the on-delay.
    shifted = trial.windows.values[:50].copy()
    rows = (third.delay - DELAY) // SECOND + 1
    shifted[:, -rows:, 1] += third.size
    assert np.median(trial.graph.run(shifted).score) > trial.judged.threshold


def test_a_jump_that_is_never_detected_has_no_delay(trial):
    insensitive = trial._replace(judged=trial.judged._replace(threshold=1e9))
    [[first, *_], *_] = reactions(insensitive, DELAY).values()
    assert (first.seen, first.delay) == (0, None)


def test_without_a_normal_window_there_are_no_reactions(trial):
    assert reactions(trial._replace(judged=trial.judged._replace(threshold=0.0)), DELAY) == {}
