import numpy as np
import pytest
from pydantic import ValidationError

from detectors.bundle.calibration import FURTHEST, Calibration, Scale, parse_budget
from detectors.calibration.held_out import calibrate, raised
from gateway.api.model import SECOND

HOUR = 3600 * SECOND


def made(count=100_000, seed=1):
    """Independent scores whose logarithm is logistic with scale 0.2 around 1."""
    return np.exp(np.random.default_rng(seed).logistic(1, 0.2, count))


def test_the_distribution_is_found_again():
    found = calibrate(made(), 100_000 * SECOND, SECOND)
    assert found.median == pytest.approx(np.e, rel=0.01)
    assert found.spread == pytest.approx(0.2, rel=0.02)


def test_the_budget_is_kept_by_scores_of_that_distribution():
    threshold = calibrate(made(), 100_000 * SECOND, SECOND).threshold(1000 * SECOND)
    assert (made(1_000_000, seed=2) > threshold).sum() == pytest.approx(1000, rel=0.15)


def test_a_rarer_budget_asks_for_a_higher_threshold_as_far_as_the_data_speaks():
    found = calibrate(made(86_400), 24 * HOUR, SECOND)
    week = 7 * 24 * HOUR
    rarer = [found.threshold(hours * HOUR) for hours in (0.01, 0.1, 1, 2, 3, 10, 24, 72)]
    assert rarer == sorted(rarer)
    assert len(set(rarer)) == len(rarer)
    assert found.furthest == FURTHEST * 24 * HOUR
    assert found.threshold(52 * week) == found.threshold(found.furthest) == found.threshold()


def test_a_strange_stretch_among_the_scores_hardly_matters():
    scores = made(5000)
    strange = np.concatenate((scores, np.full(250, 1e6)))
    plain = calibrate(scores, HOUR, SECOND).threshold()
    assert calibrate(strange, HOUR, SECOND).threshold() < 1.3 * plain


def test_a_score_that_forgets_sooner_has_more_chances_and_needs_a_higher_threshold():
    scores = made(90)  # too few to count alarms in
    slow = calibrate(scores, 24 * HOUR, 30 * SECOND, chance=30 * SECOND)
    quick = calibrate(scores, 24 * HOUR, 30 * SECOND, chance=10 * SECOND)
    assert quick.threshold(HOUR) == pytest.approx(slow.threshold(3 * HOUR), rel=0.01)
    assert quick.furthest == slow.furthest


def test_a_broad_body_without_a_tail_does_not_make_the_threshold_high():
    scores = np.random.default_rng(1).uniform(0.1, 3, 5000)
    assert 3 < calibrate(scores, HOUR, SECOND).threshold() < 5


def test_equal_scores_still_leave_room():
    assert calibrate(np.ones(50), HOUR, SECOND).threshold() > 1.1


def fat(count, seed):
    """Independent scores whose body is like those above and whose tail is much heavier."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.logistic(1, 0.2, count)) + 0.3 * rng.pareto(2, count)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("1 per week", 168), ("2 per shift", 4), ("1 a day", 24), ("4 per hour", 0.25)],
)
def test_a_budget_is_a_number_in_a_time(text, hours):
    assert parse_budget(text) == hours * HOUR


@pytest.mark.parametrize(
    "text", ["1", "0 per week", "1 per fortnight", "1.5 per day", "-1 per day", 7]
)
def test_what_is_no_budget_is_refused_with_what_would_be(text):
    with pytest.raises(ValueError, match="as in 1 per week"):
        parse_budget(text)


def chances(count, seed):
    """Probabilities whose log-odds are normal around -5, so that some come near a half."""
    return 1 / (1 + np.exp(5 - np.random.default_rng(seed).normal(0, 1.3, count)))


OTHERS = {
    "squares": (Scale.LINEAR, lambda count, seed: np.random.default_rng(seed).chisquare(4, count)),
    "bells": (Scale.LINEAR, lambda count, seed: np.random.default_rng(seed).normal(0, 1, count)),
    "chances": (Scale.LOGIT, chances),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_scores_of_other_laws_keep_the_budget_as_well(kind):
    scale, draw = OTHERS[kind]
    found = calibrate(draw(20_000, 1), 20_000 * SECOND, SECOND, scale)
    over = (draw(2_000_000, 2) > found.threshold(10_000 * SECOND)).sum()
    # Two hundred may be borne; a light tail, or one that ends, has fewer.
    assert 1 <= over < 260


def test_a_probability_has_a_threshold_from_a_half_to_below_one_whatever_the_budget():
    sure = np.full(5000, 1e-9)
    assert calibrate(sure, HOUR, SECOND, Scale.LOGIT).threshold() == 0.5
    unsure = np.random.default_rng(1).uniform(0, 1, 5000)
    found = calibrate(unsure, 5000 * SECOND, SECOND, Scale.LOGIT)
    assert 0.99 < found.threshold() < 1


def test_a_score_of_any_sign_has_a_threshold_of_at_least_one_spread():
    scores = np.random.default_rng(1).normal(size=5000)
    flat = np.minimum(scores, 0.001)
    assert calibrate(flat, HOUR, SECOND, Scale.LINEAR).threshold() == 1
    assert calibrate(scores, HOUR, SECOND, Scale.LINEAR).threshold() > scores.max()


@pytest.mark.parametrize(
    ("scale", "median", "tail_from"),
    [("log", 0.0, 1.0), ("log", 2.0, 1.0), ("logit", 0.1, 1.0), ("logit", -0.1, 0.5)],
)
def test_a_calibration_that_cannot_be_is_refused(scale, median, tail_from):
    good = calibrate(made(100), HOUR, SECOND).model_dump()
    wrong = {"scale": scale, "median": median, "tail_from": tail_from}
    with pytest.raises(ValidationError, match="must ascend and lie between"):
        Calibration.model_validate(good | wrong)


def test_a_fat_tail_keeps_the_budgets_that_were_counted_and_hardly_breaks_rarer_ones():
    # A row a minute, where no delay keeps an alarm away.
    length, many = 20_000 * 60 * SECOND, fat(2_000_000, 100)
    found = [calibrate(fat(20_000, seed), length, 60 * SECOND) for seed in range(10)]

    def kept(alarms, calibrations):
        """Of a budget of so many in the data's length: alarms in a hundred times that, on average.

        1 is as many as were promised."""
        thresholds = [each.threshold(length // alarms) for each in calibrations]
        return np.mean([len(raised(many, each)) for each in thresholds]) / (100 * alarms)

    for alarms in (100, 50, 20):
        assert 0.8 < kept(alarms, found) < 1.1
    # What body and tail say, without the count, is broken, and the rarer the more.
    by_law = [each.model_copy(update={"counted": ()}) for each in found]
    assert kept(20, by_law) > 1.8
    assert 2 * kept(2, found) < kept(2, by_law)
    assert kept(2, found) < 1.6


def test_a_few_strange_stretches_do_not_make_a_model_blind():
    plain = made(20_000)
    strange = plain.copy()
    strange[3000:3100] = strange[9000:9100] = 1e6
    length, window = 20_000 * 60 * SECOND, 60 * SECOND
    found = calibrate(strange, length, window)
    assert found.threshold() < 1.5 * calibrate(plain, length, window).threshold()


def test_a_bundle_from_before_alarms_were_counted_is_read_as_it_was_written():
    found = calibrate(made(5000), 5000 * SECOND, SECOND)
    older = found.model_dump(mode="json")
    del older["counted"]
    again = Calibration.model_validate(older)
    assert again.counted == ()
    assert again.threshold(50 * SECOND) != found.threshold(50 * SECOND)


@pytest.mark.parametrize("wrong", [(10, 2.0, 20, 3.0), (20, 3.0, 10, 2.0)])
def test_counts_that_cannot_be_are_refused(wrong):
    good = calibrate(made(5000), HOUR, SECOND).model_dump(mode="json")
    one, high, other, low = wrong
    counted = [{"alarms": one, "score": high}, {"alarms": other, "score": low}]
    with pytest.raises(ValidationError, match="from few alarms at a high score to many at a low"):
        Calibration.model_validate(good | {"counted": counted})
