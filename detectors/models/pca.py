"""Lagged PCA: distance of a sub-window from the tags' usual joint movement over time.

The residual of a sub-window after the leading components is weighted per tag and squared: summed
over a tag's cells it is the tag's contribution (the squared prediction error, or Q statistic, of
Jackson and Mudholkar, Technometrics 21, 1979). Its mean over the fitted sub-windows is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.bundle.phrases import format_count
from detectors.models.lagged import Node, linear_constants, linear_nodes
from gateway.api.model import Floats

VARIANCES = (0.8, 0.9, 0.95, 0.99)
"""Shares of variance that are kept: a larger one follows the tags more closely, and faults too."""
MIN_RESIDUAL = 0.1
"""Lower bound of a tag's usual residual, in its standard deviations."""
EVENNESS = 0.25
"""Exponent of the usual residual that balances the tags: at 0 the noisiest tags would dominate the
score, at 1 the quietest."""
RIDGE = 0.02
"""Regularises the expected value of a tag that the other tags do not explain."""


class Pca(NamedTuple):
    """A fitted core.

    centre: float64[time * tag]; components: float64[component, time * tag], orthonormal; weight
    and pull: float64[time, tag]. The sum of residual times `pull` is the distance of the newest row
    from its expectation given the other tags. `variance` is the share that was kept.
    """

    centre: Floats
    components: Floats
    weight: Floats
    pull: Floats
    variance: float

    def __str__(self) -> str:
        kept = format_count(len(self.components), "component")
        return f"lagged PCA, {kept}, {self.variance:.0%} of variance"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        rest = residual(rows - self.centre, self.components).reshape(-1, *self.weight.shape)
        return ((rest * self.weight) ** 2).sum(axis=1), (rest * self.pull).sum(axis=1)

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return linear_nodes()

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        size = len(self.centre)
        kept_away = residual(np.eye(size), self.components)
        pull = self.pull[:, :, None] * np.eye(self.pull.shape[1])
        return linear_constants(
            self.centre, kept_away * self.weight.ravel(), kept_away @ pull.reshape(size, -1)
        )


def fit(rows: Floats) -> list[Pca]:
    """A core for each of VARIANCES, fewest components first; standardised [row, time, tag]."""
    from sklearn.decomposition import PCA

    count, time, tags = rows.shape
    flat = rows.reshape(count, -1)
    pca = PCA(svd_solver="covariance_eigh").fit(flat)
    kept = np.cumsum(pca.explained_variance_ratio_)
    return [
        _keep(pca.components_, pca.mean_, flat, (time, tags), int(np.searchsorted(kept, v)) + 1, v)
        for v in VARIANCES
    ]


def _keep(
    axes: Floats, centre: Floats, flat: Floats, shape: tuple[int, int], count: int, share: float
) -> Pca:
    # With all components the residual would always be 0.
    components = axes[: min(count, flat.shape[1] - 1)]
    rest = residual(flat - centre, components).reshape(-1, *shape)
    pull = conditional(components, *shape)[:, -1].T
    return Pca(centre, components, balanced(rest), pull, share)


def balanced(rest: Floats) -> Floats:
    """Weights float64[time, tag]: tags that the others explain well weigh somewhat more."""
    usual = np.sqrt((rest**2).mean(axis=(0, 1)))
    weight = np.broadcast_to(np.maximum(usual, MIN_RESIDUAL) ** -EVENNESS, rest.shape[1:])
    average = ((rest * weight) ** 2).sum(axis=(1, 2)).mean()
    return np.asarray(weight / np.sqrt(max(average, 1e-12)), dtype=np.float64)


def conditional(components: Floats, time: int, tags: int) -> Floats:
    """Float64[tag, time, time]: maps a tag's residual to its distance from its expectation.

    With a tag's own cells unknown, their expected values minimise the residual of the whole:
    x - (I - C)^-1 r, where C is the tag's block of the projection.
    """
    blocks = components.reshape(len(components), time, tags).transpose(2, 1, 0)
    left = (1 + RIDGE) * np.eye(time) - blocks @ blocks.transpose(0, 2, 1)
    return np.asarray(np.linalg.inv(left), dtype=np.float64)


def residual(rows: Floats, components: Floats) -> Floats:
    """Part of each centred row outside the span of the components."""
    return np.asarray(rows - rows @ components.T @ components)
