"""Local outlier factor (Breunig et al., SIGMOD 2000), on request only, since it is slow.

The factor compares the distance of a sub-window from its nearest neighbours among normal ones with
the neighbours' own distances; 1 is as close. A tag's contribution is its share of the squared
distances. The expected values are the neighbours' mean. Everything is in float64, since the
distances are small differences of large numbers. Normal sub-windows are evenly downsampled to
MAX_POINTS.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node
from gateway.api.model import Floats

MAX_POINTS = 512
MULTIPLE = 8
"""The number of points is a multiple of this: only if the rows of distances are equally aligned in
memory does the runtime add them up in the same order, whatever else is in the batch."""
NEIGHBOURS = 20
MIN_REACH = 0.01
"""Lower bound of the reach, relative to its mean: identical sub-windows, as of a machine at
standstill, must not give the slightest noise an infinite score."""
_TINY = 1e-12


class Lof(NamedTuple):
    """A fitted core.

    points: float64[point, time * tag]; reach: float64[point], the distance to its farthest
    neighbour; density: float64[point], one over its mean reachability distance.
    """

    points: Floats
    reach: Floats
    density: Floats
    tags: int

    def __str__(self) -> str:
        return f"local outlier factor, {NEIGHBOURS} neighbours among {len(self.points)} sub-windows"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        own = (rows**2).sum(axis=1, keepdims=True)
        squared = np.maximum(own + (self.points**2).sum(axis=1) - 2 * rows @ self.points.T, 0)
        farthest = np.partition(squared, NEIGHBOURS - 1, axis=1)[:, [NEIGHBOURS - 1]]
        near = (squared <= farthest).astype(np.float64)
        near /= near.sum(axis=1, keepdims=True)
        away = (near * np.maximum(np.sqrt(squared), self.reach)).sum(axis=1)
        usual = near @ self.points
        rest = rows - usual
        cells = np.maximum(rest**2 + near @ self.points**2 - usual**2, 0)
        by_tag = cells.reshape(len(rows), -1, self.tags).sum(axis=1) + _TINY
        share = by_tag / by_tag.sum(axis=1, keepdims=True)
        return share * (away * (near @ self.density))[:, None], rest[:, -self.tags :]

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [*self._neighbours(), *self._factor(), *self._shares()]

    def _neighbours(self) -> list[Node]:
        keep = {"keepdims": 1}
        return [
            ("Cast", ["row"], "wide_row", {"to": 11}),
            ("Mul", ["wide_row", "wide_row"], "row_squares", {}),
            ("ReduceSum", ["row_squares", "axis"], "own", keep),
            ("MatMul", ["wide_row", "towards"], "inner", {}),
            ("Add", ["inner", "lengths"], "partly", {}),
            ("Add", ["partly", "own"], "unbound", {}),
            ("Max", ["unbound", "zero"], "squared", {}),
            ("TopK", ["squared", "count"], "nearest nearest_at", {"largest": 0, "sorted": 0}),
            ("ReduceMax", ["nearest", "axis"], "farthest", keep),
            ("LessOrEqual", ["squared", "farthest"], "is_near", {}),
            ("Cast", ["is_near"], "near_ones", {"to": 11}),
            ("ReduceSum", ["near_ones", "axis"], "near_count", keep),
            ("Div", ["near_ones", "near_count"], "near", {}),
        ]

    def _factor(self) -> list[Node]:
        return [
            ("Sqrt", ["squared"], "distance", {}),
            ("Max", ["distance", "reach"], "reached", {}),
            ("Mul", ["near", "reached"], "reached_near", {}),
            ("ReduceSum", ["reached_near", "axis"], "away", {"keepdims": 1}),
            ("Mul", ["near", "density"], "dense_near", {}),
            ("ReduceSum", ["dense_near", "axis"], "dense", {"keepdims": 1}),
            ("Mul", ["away", "dense"], "factor", {}),
        ]

    def _shares(self) -> list[Node]:
        return [
            ("MatMul", ["near", "points"], "usual", {}),
            ("Sub", ["wide_row", "usual"], "rest", {}),
            ("Mul", ["rest", "rest"], "rest_squares", {}),
            ("MatMul", ["near", "squares"], "mean_squares", {}),
            ("Mul", ["usual", "usual"], "usual_squares", {}),
            ("Sub", ["mean_squares", "usual_squares"], "scatter", {}),
            ("Add", ["rest_squares", "scatter"], "open_cells", {}),
            ("Max", ["open_cells", "zero"], "cells", {}),
            ("Reshape", ["cells", "cube"], "cube_cells", {}),
            ("ReduceSum", ["cube_cells", "axis"], "bare_tag", {"keepdims": 0}),
            ("Add", ["bare_tag", "tiny"], "by_tag", {}),
            ("ReduceSum", ["by_tag", "axis"], "of_all", {"keepdims": 1}),
            ("Div", ["by_tag", "of_all"], "share", {}),
            ("Mul", ["share", "factor"], "part", {}),
            ("Reshape", ["rest", "cube"], "cube_rest", {}),
            ("Gather", ["cube_rest", "newest"], "off", {"axis": 1}),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        return {
            "towards": -2 * self.points.T,
            "lengths": (self.points**2).sum(axis=1),
            "points": self.points,
            "squares": self.points**2,
            "reach": self.reach,
            "density": self.density,
            "zero": np.array(0.0),
            "tiny": np.array(_TINY),
            "count": np.array([NEIGHBOURS]),
            "newest": np.array(self.points.shape[1] // self.tags - 1),
        }


def fit(rows: Floats) -> list[Lof]:
    """One core; standardised [row, time, tag]."""
    from sklearn.neighbors import NearestNeighbors

    flat = rows.reshape(len(rows), -1)
    count = min(len(flat), MAX_POINTS) // MULTIPLE * MULTIPLE
    points = flat[np.linspace(0, len(flat) - 1, count).astype(int)]
    # Without an argument a point is not its own neighbour.
    distance, at = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors()
    reach = np.maximum(distance[:, -1], MIN_REACH * max(distance[:, -1].mean(), _TINY))
    density = 1 / np.maximum(distance, reach[at]).mean(axis=1)
    return [Lof(points, reach, density, rows.shape[2])]
