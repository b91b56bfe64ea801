"""Lagged PCA: what the tags do together over a window, and how far a window is from that.

Promises
- Only normal data is needed; the number of components is chosen on windows it was not fitted on.
- Pure and deterministic, in float64: the original that the exported graph has to match.

A window is standardised per tag and flattened. Its residual against the leading components is
weighted per tag and squared: summed over a tag's cells it is the tag's contribution, summed over
the tags it is the score, which is 1 on average over the fitted windows.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import Floats

VARIANCES = (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995)
"""Shares of variance among which the number of components is chosen."""
GOOD_ENOUGH = 1.25
"""Fewer components are preferred to ones that are better by less than this factor."""
CLIP = 1e6
"""Standard deviations beyond which a value counts as this: a wild value must not become NaN."""
LEAST_RESIDUAL = 0.02
"""A tag's usual residual, in its standard deviations, is taken as at least this."""
RIDGE = 0.02
"""Keeps the expected value of a tag sensible about which the other tags say nothing."""
MOST_FITTED = 50_000
"""Windows that are fitted on at most; more, evenly thinned, add time and nothing else."""


class LaggedPca(NamedTuple):
    """A fitted model.

    mean, std: float64[tag]; centre, weight, pull: float64[time, tag]; components:
    float64[component, time * tag], orthonormal. The squares of residual times `weight` sum to the
    score; the sum of residual times `pull` is what the last row should be moved by, by what the
    other tags say. `variance` is the share that was kept.
    """

    mean: Floats
    std: Floats
    centre: Floats
    components: Floats
    weight: Floats
    pull: Floats
    variance: float

    def residual(self, windows: Floats) -> Floats:
        """Standardised windows minus their reconstruction: float64[window, time, tag]."""
        return _beside(_standard(windows, self.mean, self.std) - self.centre, self.components)

    def score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        """Score [window], contribution [window, tag] and expected last row [window, tag]."""
        residual = self.residual(windows)
        contribution = ((residual * self.weight) ** 2).sum(axis=1)
        moved = (residual * self.pull).sum(axis=1) * self.std
        return contribution.sum(axis=1), contribution, windows[:, -1] - moved


def fit(windows: Floats) -> LaggedPca:
    """A model of normal windows, oldest first: float64[window, time, tag] without constant tags.

    With few components a shift of one tag drowns in what is usual; with many the model follows it.
    So the size of shift is compared that would just stand out, in the median tag.
    """
    windows = windows[:: -(-len(windows) // MOST_FITTED)]
    cut = len(windows) * 8 // 10
    early, late = windows[:cut], windows[cut:]
    axes = _axes(early)
    shifts = [smallest_shift(_keep(axes, early, variance), late) for variance in VARIANCES]
    enough = min(shifts) * GOOD_ENOUGH
    return fit_with(windows, next(v for v, s in zip(VARIANCES, shifts, strict=True) if s <= enough))


def smallest_shift(model: LaggedPca, held_out: Floats) -> float:
    """How far the median tag must move, in its standard deviations, to exceed 99 % of scores."""
    usual = np.quantile(model.score(held_out)[0], 0.99)
    time, tags = model.weight.shape
    shifts = np.broadcast_to(np.eye(tags)[:, None, :], (tags, time, tags))
    seen = ((_beside(shifts, model.components) * model.weight) ** 2).sum(axis=(1, 2))
    return float(np.median(np.sqrt(usual / np.maximum(seen, 1e-12))))


def fit_with(windows: Floats, variance: float) -> LaggedPca:
    """A model of these windows that keeps a given share of their variance."""
    return _keep(_axes(windows), windows, variance)


class _Axes(NamedTuple):
    """All components of some windows, the strongest first, and the share kept with each."""

    mean: Floats
    std: Floats
    centre: Floats
    components: Floats
    kept: Floats


def _axes(windows: Floats) -> _Axes:
    from sklearn.decomposition import PCA

    _, time, tags = windows.shape
    cells = windows.reshape(-1, tags)
    mean, std = cells.mean(axis=0), cells.std(axis=0)
    flat = _standard(windows, mean, std).reshape(len(windows), -1)
    pca = PCA(svd_solver="covariance_eigh").fit(flat)
    kept = np.cumsum(pca.explained_variance_ratio_)
    return _Axes(mean, std, pca.mean_.reshape(time, tags), pca.components_, kept)


def _keep(axes: _Axes, windows: Floats, variance: float) -> LaggedPca:
    time, tags = axes.centre.shape
    count = int(np.searchsorted(axes.kept, variance)) + 1
    # With all components nothing would ever be left over.
    components = axes.components[: min(count, time * tags - 1)]
    pull = freeing(components, time, tags)[:, -1].T
    ones = np.ones((time, tags))
    model = LaggedPca(axes.mean, axes.std, axes.centre, components, ones, pull, variance)
    return model._replace(weight=_weight(model.residual(windows)))


def _weight(residual: Floats) -> Floats:
    """Float64[time, tag]: tags that are told well by the others count more, by the square root.

    Unweighted, the noisiest tags would be all of the score; fully weighted, the quietest.
    """
    usual = np.sqrt((residual**2).mean(axis=(0, 1)))
    weight = np.broadcast_to(1 / np.sqrt(np.maximum(usual, LEAST_RESIDUAL)), residual.shape[1:])
    average = ((residual * weight) ** 2).sum(axis=(1, 2)).mean()
    return np.asarray(weight / np.sqrt(max(average, 1e-12)), dtype=np.float64)


def freeing(components: Floats, time: int, tags: int) -> Floats:
    """Float64[tag, time, time]: makes of a tag's residual its distance from what the others say.

    With a tag's own cells left open, their most plausible values lie where the residual of the
    whole is smallest: x - (I - C)^-1 r, where C is the tag's block of the projection.
    """
    blocks = components.reshape(len(components), time, tags).transpose(2, 1, 0)
    left = (1 + RIDGE) * np.eye(time) - blocks @ blocks.transpose(0, 2, 1)
    return np.asarray(np.linalg.inv(left), dtype=np.float64)


def _standard(windows: Floats, mean: Floats, std: Floats) -> Floats:
    return np.asarray(np.clip((windows - mean) / std, -CLIP, CLIP), dtype=np.float64)


def _beside(windows: Floats, components: Floats) -> Floats:
    """The part of each window that the components do not span."""
    flat = windows.reshape(len(windows), -1)
    return np.asarray(flat - flat @ components.T @ components).reshape(windows.shape)
