"""What the statistics of windows see that rows do not tell: a tag that shakes, or stands still."""

import math

import bundles
import numpy as np
import pytest
from scipy.signal import lfilter

from detectors.models.window_statistics import averages, fit, lines, moves, variances
from detectors.runtime.gaps import fill
from detectors.training.choose import USUAL
from detectors.training.publish import LIVE_COVERAGE

ROWS, LENGTH = 2500, 29
# The autoencoder, which comes behind, takes longer to learn than all others together.
TRIED = [method for method in USUAL if method != "autoencoder"]
ROWWISE = [method for method in TRIED if method not in ("regimes", "statistics")]


def loaded(seed):
    """Four tags whose loads come and go each by itself, with the noise of their sensors."""
    rng = np.random.default_rng(seed)
    loads = lfilter([0.6], [1, -0.98], rng.normal(size=(ROWS, 4)), axis=0)
    return bundles.recording(ROWS)._replace(values=loads + rng.normal(size=(ROWS, 4)))


@pytest.fixture(scope="module")
def chosen():
    return bundles.untried(loaded(1), *TRIED, window=None).choice


def test_statistics_are_chosen_where_levels_tell_little(chosen):
    assert chosen.chosen.method == "statistics"
    assert "spread and roughness of each tag" in str(chosen.model.core)


def sees(choice, method, wrong):
    candidate = next(each for each in choice.candidates if each.method == method)
    return (candidate.model.score(wrong)[0] > candidate.calibration.threshold()).mean()


def test_a_tag_that_stands_still_is_seen_by_them_and_not_by_rows(chosen):
    windows = later_windows()
    frozen = windows.copy()
    frozen[:, :, 1] = frozen[:, :1, 1]
    assert sees(chosen, "statistics", windows) == 0
    assert sees(chosen, "statistics", frozen) > 0.95
    assert max(sees(chosen, method, frozen) for method in ROWWISE) < 0.05
    contribution = chosen.model.score(frozen)[1]
    assert (contribution.argmax(axis=1) == 1).mean() > 0.95


def later_windows():
    values = loaded(2).values
    views = np.lib.stride_tricks.sliding_window_view(values, LENGTH, axis=0)
    return views[::40].transpose(0, 2, 1).copy()


def test_what_a_short_gap_is_filled_with_does_not_pass_for_a_standstill(chosen):
    missing = math.floor((1 - LIVE_COVERAGE) * LENGTH)
    for first in range(1, LENGTH - missing, 5):
        windows = later_windows()
        observed = np.ones(windows.shape, dtype=bool)
        observed[:, first : first + missing] = False
        assert sees(chosen, "statistics", fill(windows, observed)) == 0


def test_noise_that_grows_is_seen_by_them_and_less_by_rows(chosen):
    windows = later_windows()
    shaking = windows.copy()
    shaking[:, :, 1] += 3 * np.random.default_rng(5).normal(size=shaking.shape[:2])
    assert sees(chosen, "statistics", shaking) > 0.7
    assert max(sees(chosen, method, shaking) for method in ROWWISE) < 0.45


def test_a_straight_line_has_steps_a_rise_and_a_level_and_no_spread():
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
