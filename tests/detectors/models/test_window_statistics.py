"""Faults that only the statistics of windows detect: a tag that becomes noisy, or freezes."""

import math

import bundles
import numpy as np
import pytest
from scipy.signal import lfilter

from detectors.models.window_statistics import averages, fit, lines, moves, variances
from detectors.runtime.gaps import fill
from detectors.training.choose import DEFAULT_METHODS
from detectors.training.publish import LIVE_COVERAGE

ROWS, LENGTH = 2500, 29
# Without the autoencoder, which takes longer to train than all others together.
TRIED = [method for method in DEFAULT_METHODS if method != "autoencoder"]
ROWWISE = [method for method in TRIED if method not in ("regimes", "statistics")]


def loaded(seed):
    """Four tags with independent loads and sensor noise."""
    rng = np.random.default_rng(seed)
    loads = lfilter([0.6], [1, -0.98], rng.normal(size=(ROWS, 4)), axis=0)
    return bundles.recording(ROWS)._replace(values=loads + rng.normal(size=(ROWS, 4)))


@pytest.fixture(scope="module")
def chosen():
    return bundles.untried(loaded(1), *TRIED, window=None).choice


def test_statistics_are_chosen_where_levels_carry_little_information(chosen):
    assert chosen.chosen.method == "statistics"
    assert "spread and roughness of each tag" in str(chosen.model.core)


def sensitivity(choice, method, faulty):
    candidate = next(each for each in choice.candidates if each.method == method)
    return (candidate.model.score(faulty)[0] > candidate.calibration.threshold()).mean()


def test_a_frozen_tag_is_detected_by_statistics_and_not_by_rows(chosen):
    windows = later_windows()
    frozen = windows.copy()
    frozen[:, :, 1] = frozen[:, :1, 1]
    assert sensitivity(chosen, "statistics", windows) == 0
    assert sensitivity(chosen, "statistics", frozen) > 0.95
    assert max(sensitivity(chosen, method, frozen) for method in ROWWISE) < 0.05
    contribution = chosen.model.score(frozen)[1]
    assert (contribution.argmax(axis=1) == 1).mean() > 0.95


def later_windows():
    values = loaded(2).values
    views = np.lib.stride_tricks.sliding_window_view(values, LENGTH, axis=0)
    return views[::40].transpose(0, 2, 1).copy()


def test_a_filled_short_gap_is_not_taken_for_a_frozen_tag(chosen):
    missing = math.floor((1 - LIVE_COVERAGE) * LENGTH)
    for first in range(1, LENGTH - missing, 5):
        windows = later_windows()
        observed = np.ones(windows.shape, dtype=bool)
        observed[:, first : first + missing] = False
        assert sensitivity(chosen, "statistics", fill(windows, observed)) == 0


def test_growing_noise_is_detected_by_statistics_and_less_by_rows(chosen):
    windows = later_windows()
    noisy = windows.copy()
    noisy[:, :, 1] += 3 * np.random.default_rng(5).normal(size=noisy.shape[:2])
    assert sensitivity(chosen, "statistics", noisy) > 0.7
    assert max(sensitivity(chosen, method, noisy) for method in ROWWISE) < 0.45


def test_a_straight_line_has_steps_a_trend_and_a_level_and_no_spread():
    rows = np.array([[3.0, 5.0, 7.0, 9.0, 11.0, 13.0]])
    steps, spread = variances(rows, 6)[0, :, 0]
    assert steps == pytest.approx(4)
    assert spread == pytest.approx(0)
    assert lines(6) @ rows[0] == pytest.approx([12, 8])


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_windows_of_any_length_have_statistics(length):
    assert moves(length).shape == (2 * length - 1, length)
    assert np.isfinite(averages(length)).all()
    rows = np.random.default_rng(1).normal(size=(200, length, 2))
    part, off = fit(rows)[0].judge(rows[:5].reshape(5, -1))
    assert np.isfinite(part).all()
    assert np.isfinite(off).all()
