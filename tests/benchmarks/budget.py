"""Budgets of false alarms, promised and counted, for many simulated plants, as a table.

python tests/benchmarks/budget.py [PLANTS]      # of each kind; 10 by default

Each plant is another run of its kind, used for training and then evaluated for much longer. `kept`
counts plants with at most as many alarms as the upper limit of the reported confidence interval,
`within` those that are also above its lower limit; nine of ten should be.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from normal_running import HOUR, Plant, alarms

from gateway.api.model import SECOND

DAY = 24 * HOUR
BUDGETS = {"1 per hour": HOUR, "1 per shift": 8 * HOUR, "1 per day": DAY, "1 per week": 7 * DAY}
EXTREME = Plant(60 * SECOND, 0.95, degrees=4)
KINDS = {
    "every second, 8 h training": (Plant(SECOND, 0.98), 8 * HOUR, 2 * DAY),
    "every minute, 14 days training": (Plant(60 * SECOND, 0.95), 14 * DAY, 120 * DAY),
    "the same, slow": (Plant(60 * SECOND, 0.995), 14 * DAY, 120 * DAY),
    "the same, extreme values": (EXTREME, 14 * DAY, 120 * DAY),
    "every minute, 2 days training": (Plant(60 * SECOND, 0.95), 2 * DAY, 120 * DAY),
    "the same, extreme values, 2 days": (EXTREME, 2 * DAY, 120 * DAY),
}


def main():
    plants = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{'plant':30} {'budget':12} {'promised':>8} {'counted: median (all)':50} kept within")
    for kind, (plant, training, evaluated) in KINDS.items():
        counts, kept, within = evaluate(plant, training, evaluated, plants)
        for column, (name, budget) in enumerate(BUDGETS.items()):
            alarm_counts = sorted(int(count) for count in counts[:, column])
            text = f"{np.median(alarm_counts):.0f} ({', '.join(map(str, alarm_counts))})"
            share = f"{kept[:, column].sum():4} {within[:, column].sum():6} of {plants}"
            print(f"{kind:30} {name:12} {evaluated / budget:8.1f} {text:50} {share}", flush=True)


def evaluate(plant, training, evaluated, plants):
    """Counts int[plant, budget], whether at most the upper limit, and whether within the limits."""
    counts, kept, within = [], [], []
    for seed in range(plants):
        model = plant.learnt(training, 2 * seed)
        calibration, budgets = model.choice.chosen.calibration, list(BUDGETS.values())
        alarm_counts = alarms(model, plant.run(evaluated, 2 * seed + 1), budgets)
        intervals = [model.confidence_interval_at(calibration.threshold(each)) for each in budgets]
        few = [
            count <= evaluated / each.low
            for count, each in zip(alarm_counts, intervals, strict=True)
        ]
        # Where less than one alarm is expected, none is not too few.
        many = [each.high is None or count >= np.floor(evaluated / each.high)
                for count, each in zip(alarm_counts, intervals, strict=True)]  # fmt: skip
        counts.append(alarm_counts)
        kept.append(few)
        within.append(np.logical_and(few, many))
    return np.array(counts), np.array(kept), np.array(within)


if __name__ == "__main__":
    main()
