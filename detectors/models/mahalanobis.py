"""Mahalanobis distance over a stretch, with a shrunken or a robust covariance.

The squared distance is shared out by the symmetric root of the precision matrix, so that each cell
has a part that is never negative and the parts sum to the whole. Its mean over the fitted
stretches is 1. Directions in which the data wandered say nothing about where it may be, and do not
count: what is left is how the tags move with each other.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node, linear_constants, linear_nodes
from detectors.models.nonstationary import nonstationary_directions
from gateway.api.contracts import ConfigError
from gateway.api.model import Floats

MIN_VARIANCES = (0.1, 0.01, 0.001)
"""Of a direction, against the mean of all: one that hardly moved must not be nearly everything. The
less, the smaller a break in what tags do together is seen, and the sooner a harmless one alarms."""


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
    least: float

    def __str__(self) -> str:
        return f"Mahalanobis distance, {self.method} covariance, least variance {self.least:g}"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        centred = rows - self.centre
        tags = self.pull.shape[1]
        part = ((centred @ self.root) ** 2).reshape(len(rows), -1, tags).sum(axis=1)
        return part, centred @ self.pull

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return linear_nodes()

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        return linear_constants(self.centre, self.root, self.pull)


def fit_shrunken(rows: Floats) -> list[Mahalanobis]:
    """With the shrinkage of Ledoit and Wolf (J. Multivariate Analysis 88, 2004)."""
    from sklearn.covariance import LedoitWolf

    flat = rows.reshape(len(rows), -1)
    found = LedoitWolf().fit(flat)
    return _cores(found.location_, found.covariance_, flat, rows.shape[2], "shrunken")


def fit_robust(rows: Floats) -> list[Mahalanobis]:
    """With the minimum covariance determinant (Rousseeuw and Van Driessen, Technometrics 1999)."""
    from sklearn.covariance import MinCovDet

    flat = rows.reshape(len(rows), -1)
    # A tag of which only the course counts has one direction less than cells.
    variance, axes = np.linalg.eigh(np.cov(flat.T))
    varies = axes[:, variance > 1e-9 * variance[-1]]
    try:
        found = MinCovDet(random_state=0).fit(flat @ varies)
    except ValueError as error:
        raise ConfigError(
            f"no robust covariance, since half of the data is alike ({error}): leave out robust "
            "from --candidates"
        ) from error
    centre, covariance = varies @ found.location_, varies @ found.covariance_ @ varies.T
    return _cores(centre, covariance, flat, rows.shape[2], "robust")


def _cores(
    centre: Floats, covariance: Floats, flat: Floats, tags: int, method: str
) -> list[Mahalanobis]:
    """A core for each of MIN_VARIANCES."""
    variance, axes = np.linalg.eigh(covariance)
    wander = nonstationary_directions((flat - centre) @ axes)
    weights = [
        (~wander | wander.all()) / np.maximum(variance, least * max(variance.mean(), 1e-12))
        for least in MIN_VARIANCES
    ]
    # A value's distance from its expectation given all others is (P x)_i / P_ii.
    precision = (axes * weights[-1]) @ axes.T
    newest = precision[:, -tags:] / np.maximum(np.diag(precision)[-tags:], 1e-12)
    found = []
    for least, weight in zip(MIN_VARIANCES, weights, strict=True):
        root = (axes * np.sqrt(weight)) @ axes.T
        usual = max((((flat - centre) @ root) ** 2).sum(axis=1).mean(), 1e-12)
        found.append(Mahalanobis(centre, root / np.sqrt(usual), newest, method, least))
    return found
