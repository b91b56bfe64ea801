"""Budgets of false alarms, promised and counted, over many plants, as a table.

python tests/benchmarks/budget.py [PLANTS]      # of each kind; 10 if not given
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from normal_running import HOUR, Plant, alarms

from detectors.budget import interval
from gateway.model import SECOND

DAY = 24 * HOUR
BUDGETS = {"1 per hour": HOUR, "1 per shift": 8 * HOUR, "1 per day": DAY}
KINDS = {
    "every second, 8 h learnt": (Plant(SECOND, 0.98), 8 * HOUR, 2 * DAY),
    "every minute, 14 days learnt": (Plant(60 * SECOND, 0.95), 14 * DAY, 120 * DAY),
    "the same, slow": (Plant(60 * SECOND, 0.995), 14 * DAY, 120 * DAY),
    "the same, wild values": (Plant(60 * SECOND, 0.95, degrees=4), 14 * DAY, 120 * DAY),
    "every minute, 2 days learnt": (Plant(60 * SECOND, 0.95), 2 * DAY, 120 * DAY),
}


def main():
    plants = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{'plant':30} {'budget':12} {'promised':>8} {'counted: median (all)':40} kept")
    for kind, (plant, learnt, judged) in KINDS.items():
        counts, kept = judge(plant, learnt, judged, plants)
        for column, (name, budget) in enumerate(BUDGETS.items()):
            found = sorted(int(count) for count in counts[:, column])
            said = f"{np.median(found):.0f} ({', '.join(map(str, found))})"
            share = f"{kept[:, column].sum()} of {plants}"
            print(f"{kind:30} {name:12} {judged / budget:8.0f} {said:40} {share}", flush=True)


def judge(plant, learnt, judged, plants):
    """Counts int[plant, budget], and whether they are no more than the interval allows."""
    counts, kept = [], []
    for seed in range(plants):
        model = plant.learnt(learnt, 2 * seed)
        chosen, budgets = model.choice.chosen, list(BUDGETS.values())
        found = alarms(model, plant.run(judged, 2 * seed + 1), budgets)
        calibration = chosen.calibration
        lows = [interval(chosen.scores, 10, calibration, calibration.threshold(each)).low
                for each in budgets]  # fmt: skip
        counts.append(found)
        kept.append([count <= judged / low for count, low in zip(found, lows, strict=True)])
    return np.array(counts), np.array(kept)


if __name__ == "__main__":
    main()
