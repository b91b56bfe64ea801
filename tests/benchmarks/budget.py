"""Budgets of false alarms, promised and counted, over many plants, as a table.

python tests/benchmarks/budget.py [PLANTS]      # of each kind; 10 if not given

Each plant is another run of its kind, learnt and then judged for much longer. `kept` are those with
no more alarms than the interval allows that the report states, `within` those that are not fewer
than it says either; nine of ten should be.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from normal_running import HOUR, Plant, alarms

from gateway.api.model import SECOND

DAY = 24 * HOUR
BUDGETS = {"1 per hour": HOUR, "1 per shift": 8 * HOUR, "1 per day": DAY, "1 per week": 7 * DAY}
WILD = Plant(60 * SECOND, 0.95, degrees=4)
KINDS = {
    "every second, 8 h learnt": (Plant(SECOND, 0.98), 8 * HOUR, 2 * DAY),
    "every minute, 14 days learnt": (Plant(60 * SECOND, 0.95), 14 * DAY, 120 * DAY),
    "the same, slow": (Plant(60 * SECOND, 0.995), 14 * DAY, 120 * DAY),
    "the same, wild values": (WILD, 14 * DAY, 120 * DAY),
    "every minute, 2 days learnt": (Plant(60 * SECOND, 0.95), 2 * DAY, 120 * DAY),
    "the same, wild values, 2 days": (WILD, 2 * DAY, 120 * DAY),
}


def main():
    plants = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{'plant':30} {'budget':12} {'promised':>8} {'counted: median (all)':50} kept within")
    for kind, (plant, learnt, judged) in KINDS.items():
        counts, kept, within = judge(plant, learnt, judged, plants)
        for column, (name, budget) in enumerate(BUDGETS.items()):
            found = sorted(int(count) for count in counts[:, column])
            said = f"{np.median(found):.0f} ({', '.join(map(str, found))})"
            share = f"{kept[:, column].sum():4} {within[:, column].sum():6} of {plants}"
            print(f"{kind:30} {name:12} {judged / budget:8.1f} {said:50} {share}", flush=True)


def judge(plant, learnt, judged, plants):
    """Counts int[plant, budget], whether they are at most what the interval says, and within it."""
    counts, kept, within = [], [], []
    for seed in range(plants):
        model = plant.learnt(learnt, 2 * seed)
        calibration, budgets = model.choice.chosen.calibration, list(BUDGETS.values())
        found = alarms(model, plant.run(judged, 2 * seed + 1), budgets)
        sure = [model.confidence_interval_at(calibration.threshold(each)) for each in budgets]
        few = [count <= judged / each.low for count, each in zip(found, sure, strict=True)]
        # Where less than one is due none is not too few.
        many = [each.high is None or count >= np.floor(judged / each.high)
                for count, each in zip(found, sure, strict=True)]  # fmt: skip
        counts.append(found)
        kept.append(few)
        within.append(np.logical_and(few, many))
    return np.array(counts), np.array(kept), np.array(within)


if __name__ == "__main__":
    main()
