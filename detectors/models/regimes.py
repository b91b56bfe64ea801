"""Several operating modes in one model: products, loads, standstill, and their change-overs.

A sub-window is centred and scaled by the nearest of many usual states (k-means). The residual is
scored by the lagged PCA of its operating mode, in units of the state's usual score (a mixture of
local PCAs after Kambhatla and Leen, Neural Computation 9, 1997). A tag is measured by its spread
within the state, not by the distance between products, and a change-over, which consists of states
with a large variance, scores no higher than steady running.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models import pca
from detectors.models.kmeans import nearest
from detectors.models.lagged import Node
from gateway.api.model import Floats

MAX_STATES, ROWS_PER_STATE = 48, 150
VARIANCE = 0
"""Index into `pca.VARIANCES`: 80 % of the variance within the states is kept."""
MIN_SPREAD = 0.01
"""Lower bound of a tag's spread within a state, in its overall standard deviations."""
MIN_LEVEL = 0.3
"""Lower bound of a state's usual score, relative to the mean of its mode."""
RARITY = 4.0
"""Increase of a state's usual score where few independent sub-windows support it."""
MAX_MODES = 4
STRONG = 0.75
"""Silhouette from which clusters are separate: a strong structure begins at 0.71 (Kaufman and
Rousseeuw, 1990), and a sine, which is a single mode, has 0.69."""
MIN_SHARE = 0.05
"""Least share of the time in each mode; smaller clusters are outliers."""
SAMPLE = 1000
"""Rows of the sample that is clustered."""


class Regimes(NamedTuple):
    """A fitted core.

    centres, usual: float64[state, time * tag], the centre that identifies a state and the one that
    is subtracted; spread: float64[state, tag], in standard deviations of the tag; axes:
    float64[component, time * tag], of all modes, and own: float64[state, component], 1 for those of
    the state's mode; weight, pull: float64[state, time * tag], as of `Pca`; lowest, highest:
    float64[time * tag], bounds of a cell in the search for the nearest state.
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
    modes: int

    def __str__(self) -> str:
        return f"{self.modes} operating modes in {len(self.centres)} states, lagged PCA in each"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        # An extreme value must not select another state: bounded, it is outvoted by the other tags.
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
            ("MatMul", ["component_here", "up"], "modelled", {}),
            ("Sub", ["within", "modelled"], "rest", {}),
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
        """Spread for each cell of a sub-window."""
        return np.tile(self.spread, self.centres.shape[1] // self.spread.shape[1])


def fit(rows: Floats) -> list[Regimes]:
    """One core; standardised [row, time, tag]."""
    flat, (count, time, tags) = rows.reshape(len(rows), -1), rows.shape
    modes = count_modes(rows[:, -1])
    states = min(MAX_STATES, max(count // ROWS_PER_STATE, modes)) if modes > 1 else 1
    centres = _clusters(flat, states).cluster_centers_
    state = nearest(flat, centres)
    seen = np.maximum(np.bincount(state, minlength=len(centres)), 1)
    rest = rows - centres.reshape(-1, time, tags)[state]
    spread = np.maximum(np.sqrt(_by_state((rest**2).mean(axis=1), state, seen)), MIN_SPREAD)
    mode = _modes_of(rows[:, -1], centres, modes)
    parts, score = _fitted(rest / spread[state][:, None], mode[state])
    level = _by_state(score[:, None], state, seen)[:, 0]
    level = np.maximum(level * (1 + RARITY / np.sqrt(np.maximum(seen / time, 1.0))), MIN_LEVEL)
    level *= (score / level[state]).mean()
    wide = np.tile(spread, time)
    sizes = [len(part.components) for part in parts]
    return [
        Regimes(
            centres,
            centres + wide * np.stack([part.centre for part in parts])[mode],
            spread,
            np.concatenate([part.components for part in parts]),
            (np.repeat(np.arange(len(parts)), sizes) == mode[:, None]).astype(np.float64),
            np.stack([part.weight.ravel() for part in parts])[mode] / np.sqrt(level)[:, None],
            np.stack([part.pull.ravel() for part in parts])[mode] * wide,
            flat.min(axis=0),
            flat.max(axis=0),
            len(parts),
        )
    ]


def _modes_of(newest: Floats, centres: Floats, count: int) -> Any:
    """Operating mode of each state, by its newest row."""
    modes = _clusters(_sample(newest), count).cluster_centers_
    return np.unique(nearest(centres[:, -newest.shape[1] :], modes), return_inverse=True)[1]


def _fitted(within: Floats, mode: Any) -> tuple[list[pca.Pca], Floats]:
    """PCA of each mode, and the score of each row by its own."""
    parts, score = [], np.empty(len(within))
    for number in range(mode.max() + 1):
        own = mode == number
        part = pca.fit(within[own])[VARIANCE]
        score[own] = part.judge(within[own].reshape(own.sum(), -1))[0].sum(axis=1)
        parts.append(part)
    return parts, score


def _by_state(values: Floats, state: Any, seen: Any) -> Floats:
    """Mean [state, column] of values [row, column]."""
    total = np.zeros((len(seen), values.shape[1]))
    np.add.at(total, state, values)
    return np.asarray(total / seen[:, None], dtype=np.float64)


def count_modes(newest: Floats) -> int:
    """Number of separate operating modes, at least 1, in standardised rows [row, tag]."""
    from sklearn.metrics import silhouette_score

    sample = _sample(newest)
    best, modes = STRONG, 1
    for count in range(2, MAX_MODES + 1):
        label = _clusters(sample, count).labels_
        rarest = np.bincount(label).min() / len(sample)
        silhouette = float(silhouette_score(sample, label)) if rarest >= MIN_SHARE else 0.0
        if silhouette >= best:
            best, modes = silhouette, count
    return modes


def _sample(newest: Floats) -> Floats:
    return newest[:: -(-len(newest) // SAMPLE)]


def _clusters(rows: Floats, count: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(count, n_init=1 if len(rows) > SAMPLE else 3, random_state=0).fit(rows)
