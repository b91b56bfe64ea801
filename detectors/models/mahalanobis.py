"""Mahalanobis distance of a sub-window, with a shrunken or a robust covariance.

The squared distance is split by the symmetric square root of the precision matrix: the part of each
cell is never negative, and the parts sum to the whole. Its mean over the fitted sub-windows is 1.
Non-stationary directions are excluded: the relations between the tags remain.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node, linear_constants, linear_nodes
from detectors.models.nonstationary import nonstationary_directions
from gateway.api.contracts import ConfigError
from gateway.api.model import Floats
from gateway.api.wording import in_a_line

MIN_VARIANCES = (0.1, 0.01, 0.001)
"""Lower bounds of a direction's variance, relative to the mean: a direction that hardly moved must
not dominate. A smaller bound detects smaller breaks in the tags' relations, and raises more false
alarms."""


class Mahalanobis(NamedTuple):
    """A fitted core.

    centre: float64[time * tag]; root: float64[time * tag, time * tag], whitening; pull:
    float64[time * tag, tag], maps a centred row to the distance of its newest values from their
    expectation given all others.
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
    """Fits with the shrinkage of Ledoit and Wolf (J. Multivariate Analysis 88, 2004)."""
    from sklearn.covariance import LedoitWolf

    flat = rows.reshape(len(rows), -1)
    estimate = LedoitWolf().fit(flat)
    return _cores(estimate.location_, estimate.covariance_, flat, rows.shape[2], "shrunken")


def fit_robust(rows: Floats) -> list[Mahalanobis]:
    """Fits with the minimum covariance determinant (Rousseeuw, Van Driessen, Technometrics 1999).

    ConfigError if half of the data is identical.
    """
    from sklearn.covariance import MinCovDet

    flat = rows.reshape(len(rows), -1)
    # A centred, non-stationary tag has one direction less than cells.
    variance, axes = np.linalg.eigh(np.cov(flat.T))
    varies = axes[:, variance > 1e-9 * variance[-1]]
    try:
        estimate = MinCovDet(random_state=0).fit(flat @ varies)
    except ValueError as error:
        raise ConfigError(
            "a robust covariance is impossible, as half of the data is identical "
            f"({in_a_line(error)}): leave "
            "out robust from --candidates"
        ) from error
    centre, covariance = varies @ estimate.location_, varies @ estimate.covariance_ @ varies.T
    return _cores(centre, covariance, flat, rows.shape[2], "robust")


def _cores(
    centre: Floats, covariance: Floats, flat: Floats, tags: int, method: str
) -> list[Mahalanobis]:
    """A core for each of MIN_VARIANCES."""
    variance, axes = np.linalg.eigh(covariance)
    drifts = nonstationary_directions((flat - centre) @ axes)
    weights = [
        (~drifts | drifts.all()) / np.maximum(variance, least * max(variance.mean(), 1e-12))
        for least in MIN_VARIANCES
    ]
    # A value's distance from its expectation given all others is (P x)_i / P_ii.
    precision = (axes * weights[-1]) @ axes.T
    newest = precision[:, -tags:] / np.maximum(np.diag(precision)[-tags:], 1e-12)
    cores = []
    for least, weight in zip(MIN_VARIANCES, weights, strict=True):
        root = (axes * np.sqrt(weight)) @ axes.T
        mean = max((((flat - centre) @ root) ** 2).sum(axis=1).mean(), 1e-12)
        cores.append(Mahalanobis(centre, root / np.sqrt(mean), newest, method, least))
    return cores
