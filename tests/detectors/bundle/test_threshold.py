import numpy as np
import pytest
from pydantic import ValidationError

from detectors.bundle.threshold import EXTRAPOLATION, Calibration, Scale, parse_budget
from detectors.calibration.held_out import alarm_onsets, calibrate
from gateway.api.model import SECOND

HOUR = 3600 * SECOND


def scores(count=100_000, seed=1):
    """Independent scores whose logarithm is logistic with scale 0.2 around 1."""
    return np.exp(np.random.default_rng(seed).logistic(1, 0.2, count))


def test_the_parameters_of_the_distribution_are_recovered():
    calibration = calibrate(scores(), 100_000 * SECOND, SECOND)
    assert calibration.median == pytest.approx(np.e, rel=0.01)
    assert calibration.spread == pytest.approx(0.2, rel=0.02)


def test_the_budget_is_kept_by_scores_of_that_distribution():
    threshold = calibrate(scores(), 100_000 * SECOND, SECOND).threshold(1000 * SECOND)
    assert (scores(1_000_000, seed=2) > threshold).sum() == pytest.approx(1000, rel=0.15)


def test_a_rarer_budget_needs_a_higher_threshold_up_to_the_longest_interval():
    calibration = calibrate(scores(86_400), 24 * HOUR, SECOND)
    week = 7 * 24 * HOUR
    rarer = [calibration.threshold(hours * HOUR) for hours in (0.01, 0.1, 1, 2, 3, 10, 24, 72)]
    assert rarer == sorted(rarer)
    assert len(set(rarer)) == len(rarer)
    assert calibration.longest_interval == EXTRAPOLATION * 24 * HOUR
    assert (
        calibration.threshold(52 * week)
        == calibration.threshold(calibration.longest_interval)
        == calibration.threshold()
    )


def test_an_abnormal_period_hardly_moves_the_threshold():
    normal = scores(5000)
    abnormal = np.concatenate((normal, np.full(250, 1e6)))
    plain = calibrate(normal, HOUR, SECOND).threshold()
    assert calibrate(abnormal, HOUR, SECOND).threshold() < 1.3 * plain


def test_a_shorter_decorrelation_time_needs_a_higher_threshold():
    few = scores(90)  # too few to count alarms in
    slow = calibrate(few, 24 * HOUR, 30 * SECOND, chance=30 * SECOND)
    quick = calibrate(few, 24 * HOUR, 30 * SECOND, chance=10 * SECOND)
    assert quick.threshold(HOUR) == pytest.approx(slow.threshold(3 * HOUR), rel=0.01)
    assert quick.longest_interval == slow.longest_interval


def test_a_broad_body_without_a_tail_does_not_make_the_threshold_high():
    uniform = np.random.default_rng(1).uniform(0.1, 3, 5000)
    assert 3 < calibrate(uniform, HOUR, SECOND).threshold() < 5


def test_equal_scores_still_leave_room():
    assert calibrate(np.ones(50), HOUR, SECOND).threshold() > 1.1


def heavy_tailed(count, seed):
    """Independent scores whose body is like those above and whose tail is much heavier."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.logistic(1, 0.2, count)) + 0.3 * rng.pareto(2, count)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("1 per week", 168), ("2 per shift", 4), ("1 a day", 24), ("4 per hour", 0.25)],
)
def test_a_budget_is_a_number_and_a_time(text, hours):
    assert parse_budget(text) == hours * HOUR


@pytest.mark.parametrize(
    "text", ["1", "0 per week", "1 per fortnight", "1.5 per day", "-1 per day", 7]
)
def test_text_that_is_not_a_budget_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="as in 1 per week"):
        parse_budget(text)


def probabilities(count, seed):
    """Probabilities whose log-odds are normal around -5, so that some come near a half."""
    return 1 / (1 + np.exp(5 - np.random.default_rng(seed).normal(0, 1.3, count)))


OTHERS = {
    "squares": (Scale.LINEAR, lambda count, seed: np.random.default_rng(seed).chisquare(4, count)),
    "normal": (Scale.LINEAR, lambda count, seed: np.random.default_rng(seed).normal(0, 1, count)),
    "probabilities": (Scale.LOGIT, probabilities),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_scores_of_other_distributions_keep_the_budget_as_well(kind):
    scale, draw = OTHERS[kind]
    calibration = calibrate(draw(20_000, 1), 20_000 * SECOND, SECOND, scale)
    over = (draw(2_000_000, 2) > calibration.threshold(10_000 * SECOND)).sum()
    # Two hundred are allowed; a light tail, or one that ends, has fewer.
    assert 1 <= over < 260


def test_a_probability_has_a_threshold_from_a_half_to_below_one_whatever_the_budget():
    certain = np.full(5000, 1e-9)
    assert calibrate(certain, HOUR, SECOND, Scale.LOGIT).threshold() == 0.5
    uncertain = np.random.default_rng(1).uniform(0, 1, 5000)
    calibration = calibrate(uncertain, 5000 * SECOND, SECOND, Scale.LOGIT)
    assert 0.99 < calibration.threshold() < 1


def test_a_score_of_any_sign_has_a_threshold_of_at_least_one_spread():
    normal = np.random.default_rng(1).normal(size=5000)
    flat = np.minimum(normal, 0.001)
    assert calibrate(flat, HOUR, SECOND, Scale.LINEAR).threshold() == 1
    assert calibrate(normal, HOUR, SECOND, Scale.LINEAR).threshold() > normal.max()


@pytest.mark.parametrize(
    ("scale", "median", "tail_from"),
    [("log", 0.0, 1.0), ("log", 2.0, 1.0), ("logit", 0.1, 1.0), ("logit", -0.1, 0.5)],
)
def test_an_inconsistent_calibration_is_refused(scale, median, tail_from):
    good = calibrate(scores(100), HOUR, SECOND).model_dump()
    wrong = {"scale": scale, "median": median, "tail_from": tail_from}
    with pytest.raises(ValidationError, match="must ascend and lie between"):
        Calibration.model_validate(good | wrong)


def test_a_heavy_tail_keeps_the_counted_budgets_and_hardly_breaks_rarer_ones():
    # One row a minute: no default delay suppresses an alarm.
    length, many = 20_000 * 60 * SECOND, heavy_tailed(2_000_000, 100)
    counted = [calibrate(heavy_tailed(20_000, seed), length, 60 * SECOND) for seed in range(10)]

    def kept(alarms, calibrations):
        """Mean ratio of alarms raised to alarms promised, over a hundred times the data's length.

        The budget is `alarms` in the data's length; 1 is as promised."""
        thresholds = [each.threshold(length // alarms) for each in calibrations]
        return np.mean([len(alarm_onsets(many, each)) for each in thresholds]) / (100 * alarms)

    for alarms in (100, 50, 20):
        assert 0.8 < kept(alarms, counted) < 1.1
    # The extrapolation alone, without the count, breaks the budget, and more so the rarer it is.
    extrapolated = [each.model_copy(update={"counted": ()}) for each in counted]
    assert kept(20, extrapolated) > 1.8
    assert 2 * kept(2, counted) < kept(2, extrapolated)
    assert kept(2, counted) < 1.6


def test_a_few_abnormal_periods_do_not_make_a_model_insensitive():
    plain = scores(20_000)
    abnormal = plain.copy()
    abnormal[3000:3100] = abnormal[9000:9100] = 1e6
    length, window = 20_000 * 60 * SECOND, 60 * SECOND
    calibration = calibrate(abnormal, length, window)
    assert calibration.threshold() < 1.5 * calibrate(plain, length, window).threshold()


def test_an_older_bundle_without_counted_alarms_is_still_read():
    calibration = calibrate(scores(5000), 5000 * SECOND, SECOND)
    older = calibration.model_dump(mode="json")
    del older["counted"]
    loaded = Calibration.model_validate(older)
    assert loaded.counted == ()
    assert loaded.threshold(50 * SECOND) != calibration.threshold(50 * SECOND)


@pytest.mark.parametrize("wrong", [(10, 2.0, 20, 3.0), (20, 3.0, 10, 2.0)])
def test_inconsistent_counts_are_refused(wrong):
    good = calibrate(scores(5000), HOUR, SECOND).model_dump(mode="json")
    one, high, other, low = wrong
    counted = [{"alarms": one, "score": high}, {"alarms": other, "score": low}]
    with pytest.raises(ValidationError, match="from few alarms at a high score to many at a low"):
        Calibration.model_validate(good | {"counted": counted})
