"""Several ways of running in one model: products, loads, standstill, and the change-overs between.

A stretch is re-centred and scaled by the nearest of many usual states (k-means). What is left is
judged by the lagged PCA of its way of running, and counts in units of the state's usual score (a
mixture of local PCAs in the manner of Kambhatla and Leen, Neural Computation 9, 1997). So what a
tag does counts by its spread there, not by the way to another product, and a change-over, which is
some states that vary a lot, weighs as little as running.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models import pca
from detectors.models.kmeans import nearest
from detectors.models.lagged import Node
from gateway.api.model import Floats

MAX_STATES, ROWS_OF_A_STATE = 48, 150
VARIANCE = 0
"""Number of the PCA that is taken: it keeps 80 % of the variance within the states."""
MIN_SPREAD = 0.01
"""Of a tag within a state, in its standard deviations over all: what stands still has none."""
MIN_LEVEL = 0.3
UNSURE = 4.0
"""How much higher a state's level is taken that few stretches, which overlap, were seen of."""
MAX_WAYS = 4
STRONG = 0.75
"""Silhouette of clusters that are far apart: a strong structure begins at 0.71 (Kaufman and
Rousseeuw, 1990), and a sine, which is one way of running, has 0.69."""
MIN_SHARE = 0.05
"""Of the time that each separate way of running takes: fewer are outliers."""
LOOKED_AT = 1000


class Regimes(NamedTuple):
    """A fitted core.

    centres, usual: float64[state, time * tag], what a state is known by and what is subtracted;
    spread: float64[state, tag], in standard deviations of the tag; axes: float64[component,
    time * tag], of all ways, and own: float64[state, component], 1 for those of the state's way;
    weight, pull: float64[state, time * tag], as those of `Pca`; lowest, highest: float64[time *
    tag], between which a cell counts when the nearest state is looked for.
    """

    centres: Floats
    usual: Floats
    spread: Floats
    axes: Floats
    own: Floats
    weight: Floats
    pull: Floats
    lowest: Floats
    highest: Floats
    ways: int

    def __str__(self) -> str:
        return f"{self.ways} ways of running in {len(self.centres)} states, lagged PCA in each"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        # A tag that is wild must not pass for another state: the others outvote what it may have.
        state = nearest(np.clip(rows, self.lowest, self.highest), self.centres)
        within = (rows - self.usual[state]) / self._wide[state]
        rest = within - ((within @ self.axes.T) * self.own[state]) @ self.axes
        shape = (len(rows), -1, self.spread.shape[1])
        part = ((rest * self.weight[state]) ** 2).reshape(shape).sum(axis=1)
        return part, (rest * self.pull[state]).reshape(shape).sum(axis=1)

    def nodes(self) -> list[Node]:
        """See `Core`."""
        by_state = ("usual", "inverse", "own", "weight", "pull")
        return [
            ("Max", ["row", "least"], "not_below", {}),
            ("Min", ["not_below", "most"], "usual_row", {}),
            ("MatMul", ["usual_row", "towards"], "inner", {}),
            ("Sub", ["half", "inner"], "away", {}),
            ("ArgMin", ["away"], "state", {"axis": 1, "keepdims": 0}),
            *(("Gather", [name, "state"], f"{name}_here", {}) for name in by_state),
            ("Sub", ["row", "usual_here"], "centred", {}),
            ("Mul", ["centred", "inverse_here"], "within", {}),
            ("MatMul", ["within", "down"], "component", {}),
            ("Mul", ["component", "own_here"], "component_here", {}),
            ("MatMul", ["component_here", "up"], "told", {}),
            ("Sub", ["within", "told"], "rest", {}),
            ("Mul", ["rest", "weight_here"], "weighted", {}),
            ("Mul", ["weighted", "weighted"], "squared", {}),
            ("MatMul", ["squared", "tag_of_cell"], "part", {}),
            ("Mul", ["rest", "pull_here"], "pulled", {}),
            ("MatMul", ["pulled", "tag_of_cell"], "off", {}),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        arrays = {
            "least": self.lowest,
            "most": self.highest,
            "towards": self.centres.T,
            "half": (self.centres**2).sum(axis=1) / 2,
            "usual": self.usual,
            "inverse": 1 / self._wide,
            "own": self.own,
            "weight": self.weight,
            "pull": self.pull,
            "down": self.axes.T,
            "up": self.axes,
        }
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    @property
    def _wide(self) -> Floats:
        """The spread for each cell of a stretch."""
        return np.tile(self.spread, self.centres.shape[1] // self.spread.shape[1])


def fit(rows: Floats) -> list[Regimes]:
    """One core; standardised [row, time, tag]."""
    flat, (count, time, tags) = rows.reshape(len(rows), -1), rows.shape
    apart = ways(rows[:, -1])
    states = min(MAX_STATES, max(count // ROWS_OF_A_STATE, apart)) if apart > 1 else 1
    centres = _clusters(flat, states).cluster_centers_
    state = nearest(flat, centres)
    seen = np.maximum(np.bincount(state, minlength=len(centres)), 1)
    rest = rows - centres.reshape(-1, time, tags)[state]
    spread = np.maximum(np.sqrt(_by_state((rest**2).mean(axis=1), state, seen)), MIN_SPREAD)
    way = _ways_of(rows[:, -1], centres, apart)
    parts, score = _fitted(rest / spread[state][:, None], way[state])
    level = _by_state(score[:, None], state, seen)[:, 0]
    level = np.maximum(level * (1 + UNSURE / np.sqrt(np.maximum(seen / time, 1.0))), MIN_LEVEL)
    level *= (score / level[state]).mean()
    wide = np.tile(spread, time)
    sizes = [len(part.components) for part in parts]
    return [
        Regimes(
            centres,
            centres + wide * np.stack([part.centre for part in parts])[way],
            spread,
            np.concatenate([part.components for part in parts]),
            (np.repeat(np.arange(len(parts)), sizes) == way[:, None]).astype(np.float64),
            np.stack([part.weight.ravel() for part in parts])[way] / np.sqrt(level)[:, None],
            np.stack([part.pull.ravel() for part in parts])[way] * wide,
            flat.min(axis=0),
            flat.max(axis=0),
            len(parts),
        )
    ]


def _ways_of(newest: Floats, centres: Floats, count: int) -> Any:
    """The way of running that each state belongs to, by where its newest row lies."""
    found = _clusters(_some(newest), count).cluster_centers_
    return np.unique(nearest(centres[:, -newest.shape[1] :], found), return_inverse=True)[1]


def _fitted(within: Floats, way: Any) -> tuple[list[pca.Pca], Floats]:
    """The PCA of each way, and the score of each row by its own."""
    parts, score = [], np.empty(len(within))
    for number in range(way.max() + 1):
        own = way == number
        part = pca.fit(within[own])[VARIANCE]
        score[own] = part.judge(within[own].reshape(own.sum(), -1))[0].sum(axis=1)
        parts.append(part)
    return parts, score


def _by_state(values: Floats, state: Any, seen: Any) -> Floats:
    """The mean [state, column] of values [row, column]."""
    total = np.zeros((len(seen), values.shape[1]))
    np.add.at(total, state, values)
    return np.asarray(total / seen[:, None], dtype=np.float64)


def ways(newest: Floats) -> int:
    """How many ways of running are far apart, 1 if none are; standardised [row, tag]."""
    from sklearn.metrics import silhouette_score

    some = _some(newest)
    best, found = STRONG, 1
    for count in range(2, MAX_WAYS + 1):
        label = _clusters(some, count).labels_
        rarest = np.bincount(label).min() / len(some)
        apart = float(silhouette_score(some, label)) if rarest >= MIN_SHARE else 0.0
        if apart >= best:
            best, found = apart, count
    return found


def _some(newest: Floats) -> Floats:
    return newest[:: -(-len(newest) // LOOKED_AT)]


def _clusters(rows: Floats, count: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=1 if len(rows) > LOOKED_AT else 3, random_state=0).fit(rows)
