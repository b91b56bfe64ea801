import numpy as np
import pytest
from normal_running import smooth

from detectors.calibration.held_out import (
    alarm_onsets,
    calibrate,
    confidence_interval,
    poisson_interval,
)
from detectors.evaluation.apply import follow
from gateway.api.alarms import Alarm
from gateway.api.model import SECOND, Score

MINUTE = 60 * SECOND
"""Between two scores, so that the default delay is 0."""
LENGTH = 20_000 * MINUTE


def running(count, seed, memory=0.8):
    """Autocorrelated scores: moving averages of ten rows, then exponentially smoothed."""
    noise = np.random.default_rng(seed).normal(size=count + 9)
    smoothed = smooth(np.convolve(noise, np.ones(10), "valid"), memory)
    return np.exp(0.3 * smoothed / smoothed.std())


def alarms_of_a_line(scores, threshold):
    alarm = Alarm("anomaly", threshold, hysteresis=0.1 * threshold)
    # Far apart: three alarms within a minute would be one that chatters, which is held.
    rows = (Score(at * MINUTE, scores[at : at + 1], 1.0) for at in range(len(scores)))
    return follow(alarm, (), rows).episodes


@pytest.mark.parametrize("threshold", [0.9, 1.2, 1.6, 2.2, 9.0])
def test_alarms_are_counted_as_the_alarm_machine_of_a_line_raises_them(threshold):
    scores = running(4000, 1)
    episodes = alarms_of_a_line(scores, threshold)
    assert alarm_onsets(scores, threshold).tolist() == [each.raised // MINUTE for each in episodes]


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_a_counted_budget_is_kept_whatever_the_autocorrelation(memory):
    counts = []
    for seed in range(20):
        scores = running(20_000, seed, memory)
        calibration = calibrate(scores, LENGTH, MINUTE, chance=9 * MINUTE)
        threshold = calibration.threshold(LENGTH // 20)
        counts.append(len(alarm_onsets(running(20_000, 100 + seed, memory), threshold)))
    assert 15 < np.mean(counts) < 23


def test_downsampled_scores_account_for_the_alarms_between_them():
    scores = running(400_000, 1)
    length, memory = 400_000 * MINUTE, 9 * MINUTE
    whole = calibrate(scores, length, MINUTE, chance=memory)
    for thin in (3, 9, 30):
        some = calibrate(scores[::thin], length, MINUTE, chance=memory, hop=MINUTE)
        count = len(alarm_onsets(scores, some.threshold(length // 400)))
        assert 400 / 1.6 < count < 400 * 1.6
    # With `hop` not given, the line gets its scores as rarely and no alarm is missed.
    hopped = calibrate(scores[::30], length, MINUTE, chance=memory)
    assert hopped.threshold(length // 400) < some.threshold(length // 400) < 1.2 * whole.threshold()


def test_nine_of_ten_intervals_contain_the_true_value():
    held = 0
    for seed in range(40):
        scores = running(20_000, seed)
        calibration = calibrate(scores, LENGTH, MINUTE, chance=9 * MINUTE)
        threshold = calibration.threshold(LENGTH // 15)
        low, high = confidence_interval(scores, 10, calibration, threshold)
        true = len(alarm_onsets(running(400_000, 1000 + seed), threshold)) / 20
        held += low <= LENGTH / true <= high
    assert 34 <= held <= 40


def test_the_interval_narrows_with_more_data_and_is_wide_for_alarms_in_bursts():
    def width(scores, budget):
        length = len(scores) * MINUTE
        calibration = calibrate(scores, length, MINUTE, chance=9 * MINUTE)
        low, high = confidence_interval(scores, 10, calibration, calibration.threshold(budget))
        assert low < budget
        return high / low

    long, short = running(100_000, 1), running(20_000, 1)
    assert width(long, 1000 * MINUTE) < width(short, 1000 * MINUTE)
    quiet = np.minimum(running(100_000, 2), 1.3)
    bursts = np.where(np.arange(100_000) // 10_000 == 4, running(100_000, 3), quiet)
    assert width(bursts, 1000 * MINUTE) > 2 * width(long, 1000 * MINUTE)


def test_where_no_alarm_was_counted_there_is_no_upper_limit():
    scores = running(20_000, 1)
    calibration = calibrate(scores, LENGTH, MINUTE)
    low, high = confidence_interval(scores, 10, calibration, 10 * scores.max())
    assert high is None
    assert low == poisson_interval(0, LENGTH).low == pytest.approx(LENGTH / 3, rel=0.01)


def test_where_a_delay_suppresses_short_alarms_a_count_gives_only_a_lower_limit():
    scores = running(20_000, 1)
    quick, slow = (calibrate(scores, 20_000 * step, step) for step in (SECOND, MINUTE))
    assert quick.counted == slow.counted
    assert quick.slope == 0 < slow.slope
    assert confidence_interval(scores, 10, quick, 2.0).high is None
    assert confidence_interval(scores, 10, slow, 2.0).high is not None


def test_too_few_alarms_give_no_counted_levels():
    assert calibrate(running(90, 1, 0), 90 * MINUTE, MINUTE).counted == ()
    assert calibrate(np.ones(5000), 5000 * MINUTE, MINUTE).counted == ()
