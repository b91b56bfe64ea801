"""Distance to the nearest of several usual states, for machines with several operating modes.

The squared distance of a sub-window to the nearest centre (k-means), summed over a tag's cells, is
the tag's contribution. Its mean over the fitted sub-windows is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node
from gateway.api.model import Floats

SIZES = (4, 16)


class KMeans(NamedTuple):
    """A fitted core. centres: float64[state, time * tag]; scale: factor of a squared distance."""

    centres: Floats
    tags: int
    scale: float

    def __str__(self) -> str:
        return f"distance to the nearest of {len(self.centres)} states"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        rest = rows - self.centres[nearest(rows, self.centres)]
        part = (rest**2 * self.scale).reshape(len(rows), -1, self.tags).sum(axis=1)
        return part, rest[:, -self.tags :]

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [
            ("MatMul", ["row", "towards"], "inner", {}),
            ("Sub", ["half", "inner"], "away", {}),
            ("ArgMin", ["away"], "state", {"axis": 1, "keepdims": 0}),
            ("Gather", ["centres", "state"], "usual", {}),
            ("Sub", ["row", "usual"], "rest", {}),
            ("Mul", ["rest", "rest"], "squared", {}),
            ("Mul", ["squared", "scale"], "scaled", {}),
            ("MatMul", ["scaled", "tag_of_cell"], "part", {}),
            ("Reshape", ["rest", "cube"], "cube_rest", {}),
            ("Gather", ["cube_rest", "newest"], "off", {"axis": 1}),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        single = {
            "towards": self.centres.T,
            "half": (self.centres**2).sum(axis=1) / 2,
            "centres": self.centres,
            "scale": np.array(self.scale),
        }
        arrays: dict[str, Any] = {name: a.astype(np.float32) for name, a in single.items()}
        return arrays | {"newest": np.array(self.centres.shape[1] // self.tags - 1)}


def fit(rows: Floats) -> list[KMeans]:
    """A core for each of SIZES; standardised [row, time, tag]."""
    from sklearn.cluster import KMeans as Library

    flat = rows.reshape(len(rows), -1)
    return [
        _core(Library(size, n_init=1, random_state=0).fit(flat).cluster_centers_, flat, rows)
        for size in SIZES
    ]


def _core(centres: Floats, flat: Floats, rows: Floats) -> KMeans:
    rest = flat - centres[nearest(flat, centres)]
    return KMeans(centres, rows.shape[2], 1 / max(float((rest**2).sum(axis=1).mean()), 1e-12))


def nearest(rows: Floats, centres: Floats) -> Any:
    """Index of each row's nearest centre."""
    return ((centres**2).sum(axis=1) / 2 - rows @ centres.T).argmin(axis=1)
