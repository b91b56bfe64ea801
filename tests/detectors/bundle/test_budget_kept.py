"""A budget of false alarms against the alarms raised in long normal running.

ANDON_BUDGET_SEEDS sets the number of plants of each kind; tests/benchmarks/budget.py prints the
table for many.
"""

import os

import pytest
from normal_running import HOUR, Plant, alarms

from gateway.api.model import SECOND

LEARNT, JUDGED = 14 * 24 * HOUR, 40 * 24 * HOUR
BUDGETS = [8 * HOUR, 24 * HOUR]
PLANTS = {
    "quick": Plant(60 * SECOND, 0.95),
    "slow": Plant(60 * SECOND, 0.995),
    # The extrapolation alone gives 1.3 and 1.7 times the promised alarms on average.
    "wild": Plant(60 * SECOND, 0.95, degrees=4),
}
SEEDS = range(int(os.environ.get("ANDON_BUDGET_SEEDS", "1")))


@pytest.fixture(scope="module", params=[(kind, seed) for kind in PLANTS for seed in SEEDS], ids=str)
def learnt(request):
    """A model trained on a plant, and much more running of the same plant."""
    kind, seed = request.param
    plant = PLANTS[kind]
    return plant.learnt(LEARNT, 2 * seed), plant.run(JUDGED, 2 * seed + 1)


def test_about_as_many_alarms_are_raised_as_were_promised(learnt):
    model, running = learnt
    assert model.delay == 0  # only the threshold suppresses alarms
    calibration = model.choice.chosen.calibration
    for budget, count in zip(BUDGETS, alarms(model, running, BUDGETS), strict=True):
        # A threshold that is merely high would keep every budget, so there is a lower bound.
        assert 0.5 < count / (JUDGED / budget) < 1.4
        interval = model.confidence_interval_at(calibration.threshold(budget))
        # The count varies too, and the model is fitted on a little more data than was held out.
        assert 0.8 * interval.low < JUDGED / count < 1.25 * interval.high
        assert interval.low < budget < interval.high


def test_delays_suppress_more_alarms_than_the_threshold_alone():
    plant = Plant(SECOND, 0.98)
    model = plant.learnt(HOUR, 0)
    assert model.delay == 20 * SECOND
    [count] = alarms(model, plant.run(6 * HOUR, 1), [HOUR])
    assert count <= 6
