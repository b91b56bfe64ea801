"""Mahalanobis distance over a stretch, with a shrunken or a robust covariance.

The squared distance is shared out by the symmetric root of the precision matrix, so that each cell
has a part that is never negative and the parts sum to the whole. Its mean over the fitted
stretches is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.training.lagged import Node
from gateway.contracts import ConfigError
from gateway.model import Floats

LEAST_VARIANCE = 1e-4
"""Of a direction, against the mean of all: a direction that never moved must not be everything."""


class Mahalanobis(NamedTuple):
    """A fitted core.

    centre: float64[time * tag]; root: float64[time * tag, time * tag], whitens; pull:
    float64[time * tag, tag], turns a centred row into the distance of its newest values from what
    all others say.
    """

    centre: Floats
    root: Floats
    pull: Floats
    method: str

    def __str__(self) -> str:
        return f"Mahalanobis distance, {self.method} covariance"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        centred = rows - self.centre
        tags = self.pull.shape[1]
        part = ((centred @ self.root) ** 2).reshape(len(rows), -1, tags).sum(axis=1)
        return part, centred @ self.pull

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [
            ("Sub", ["row", "centre"], "centred", {}),
            ("MatMul", ["centred", "root"], "white", {}),
            ("Mul", ["white", "white"], "squared", {}),
            ("Reshape", ["squared", "cube"], "cells", {}),
            ("ReduceSum", ["cells", "axis"], "part", {"keepdims": 0}),
            ("MatMul", ["centred", "pull"], "off", {}),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        arrays = {"centre": self.centre, "root": self.root, "pull": self.pull}
        return {name: array.astype(np.float32) for name, array in arrays.items()}


def fit_shrunken(rows: Floats) -> list[Mahalanobis]:
    """With the shrinkage of Ledoit and Wolf (J. Multivariate Analysis 88, 2004)."""
    from sklearn.covariance import LedoitWolf

    flat = rows.reshape(len(rows), -1)
    found = LedoitWolf().fit(flat)
    return [_core(found.location_, found.covariance_, flat, rows.shape[2], "shrunken")]


def fit_robust(rows: Floats) -> list[Mahalanobis]:
    """With the minimum covariance determinant (Rousseeuw and Van Driessen, Technometrics 1999)."""
    from sklearn.covariance import MinCovDet

    flat = rows.reshape(len(rows), -1)
    try:
        found = MinCovDet(random_state=0).fit(flat)
    except ValueError as error:
        raise ConfigError(
            f"no robust covariance, since half of the data is alike ({error}): leave out robust "
            "from --candidates"
        ) from error
    return [_core(found.location_, found.covariance_, flat, rows.shape[2], "robust")]


def _core(centre: Floats, covariance: Floats, flat: Floats, tags: int, method: str) -> Mahalanobis:
    variance, axes = np.linalg.eigh(covariance)
    variance = np.maximum(variance, LEAST_VARIANCE * max(variance.mean(), 1e-12))
    root = (axes / np.sqrt(variance)) @ axes.T
    precision = (axes / variance) @ axes.T
    usual = (((flat - centre) @ root) ** 2).sum(axis=1).mean()
    # A value's distance from its expectation given all others is (P x)_i / P_ii.
    newest = precision[:, -tags:] / np.diag(precision)[-tags:]
    return Mahalanobis(centre, root / np.sqrt(max(usual, 1e-12)), newest, method)
