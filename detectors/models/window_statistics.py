"""Statistics of a window: the shape of each tag's course, not only its level.

For each tag the roughness (variance of the steps from row to row), the spread (variance about the
straight line through the rows), the trend and the level are computed, and scored by their
Mahalanobis distance. Variances enter as their fourth root, which is nearly normal (Hawkins and
Wixley, The American Statistician 40, 1986), so that increases and decreases count alike. This
detects a tag that becomes noisy or quiet, as in cavitation or with a stuck sensor, which a distance
of rows detects late or never.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node, linear_constants, linear_nodes
from detectors.models.mahalanobis import Mahalanobis, fit_shrunken
from gateway.api.model import Floats

QUIET = 1e-4
"""Share of a tag's usual variance that is added to it, since a root near 0 amplifies rounding."""
MIN_VARIANCE = 1e-6
"""Lower bound of what is added, in squared standard deviations, above float32 precision."""
MAX_TAGS = 160
"""With more tags the method is only used on request: training takes over a minute."""
MIN_WIDTH = 1e-6
"""Least variation of a statistic to be used; the level of a non-stationary tag has less."""


class Statistics(NamedTuple):
    """A fitted core.

    quiet: float64[2, tag], added to the two variances; usual and width: float64[statistic, tag],
    mean and standard deviation (0 where it hardly varied) of roughness, spread, trend and level;
    distance: of the standardised statistics.
    """

    length: int
    quiet: Floats
    usual: Floats
    width: Floats
    distance: Mahalanobis

    def __str__(self) -> str:
        return f"level, trend, spread and roughness of each tag in a window, {self.distance}"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`. The residual of a tag is that of its level."""
        raw = statistics(variances(rows, self.length), rows, self.quiet, self.length)
        standard = (raw - self.usual) * inverse(self.width)
        part, off = self.distance.judge(standard.reshape(len(rows), -1))
        return part, off * self.width[-1]

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [
            ("Reshape", ["row", "cube"], "rows_of_window", {}),
            ("MatMul", ["moves", "rows_of_window"], "course", {}),
            ("Mul", ["course", "course"], "courses_squared", {}),
            ("MatMul", ["averages", "courses_squared"], "variances", {}),
            ("Add", ["variances", "quiet"], "at_least", {}),
            ("Sqrt", ["at_least"], "deviations", {}),
            ("Sqrt", ["deviations"], "roots", {}),
            ("MatMul", ["lines", "rows_of_window"], "line", {}),
            ("Concat", ["roots", "line"], "statistics", {"axis": 1}),
            ("Reshape", ["statistics", "flat_statistics"], "features", {}),
            *linear_nodes("features", "tag_of_statistic"),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        root, pull = self.distance.root, self.distance.pull
        per_width = inverse(self.width).reshape(-1, 1)
        centre = self.usual + self.distance.centre.reshape(self.usual.shape) * self.width
        tags = self.usual.shape[1]
        single = {
            "moves": moves(self.length),
            "averages": averages(self.length),
            "lines": lines(self.length),
            "quiet": self.quiet,
            "tag_of_statistic": np.tile(np.eye(tags), (len(self.usual), 1)),
        }
        arrays: dict[str, Any] = {name: a.astype(np.float32) for name, a in single.items()}
        return (
            arrays
            | linear_constants(centre.ravel(), per_width * root, per_width * pull * self.width[-1])
            | {"flat_statistics": np.array([-1, self.usual.size])}
        )


def fit(rows: Floats) -> list[Statistics]:
    """A core for each lower bound of the variance, see `mahalanobis`; [row, time, tag]."""
    count, length, _ = rows.shape
    flat = rows.reshape(count, -1)
    both = variances(flat, length)
    quiet = np.maximum(QUIET * both.mean(axis=0), MIN_VARIANCE)
    raw = statistics(both, flat, quiet, length)
    usual, width = raw.mean(axis=0), raw.std(axis=0)
    width[width < MIN_WIDTH] = 0
    standard = (raw - usual) * inverse(width)
    return [Statistics(length, quiet, usual, width, each) for each in fit_shrunken(standard)]


def inverse(width: Floats) -> Floats:
    """Reciprocal, and 0 where the width is 0."""
    return np.divide(1, width, out=np.zeros_like(width), where=width > 0)


def variances(rows: Floats, length: int) -> Floats:
    """Variance of the steps, and about the line through the rows: float64[row, 2, tag]."""
    return averages(length) @ (moves(length) @ rows.reshape(len(rows), length, -1)) ** 2


def statistics(variances: Floats, rows: Floats, quiet: Floats, length: int) -> Floats:
    """Statistics float64[row, statistic, tag] of rows float64[row, time * tag], levels last."""
    line = lines(length) @ rows.reshape(len(rows), length, -1)
    return np.concatenate(((variances + quiet) ** 0.25, line), axis=1)


def lines(length: int) -> Floats:
    """Float64[2, time]: maps rows to the rise and the mean of the straight line through them."""
    time = np.arange(length) - (length - 1) / 2
    rise = time * length / max((time**2).sum(), 1)
    return np.stack((rise, np.full(length, 1 / length)))


def moves(length: int) -> Floats:
    """Float64[step and row, time]: maps rows to their steps and their residuals from the line."""
    time = np.arange(length) - (length - 1) / 2
    line = np.stack((time / max(np.sqrt((time**2).sum()), 1), np.full(length, length**-0.5)))
    return np.concatenate((np.diff(np.eye(length), axis=0), np.eye(length) - line.T @ line))


def averages(length: int) -> Floats:
    """Float64[2, step and row]: averages over the steps, and over the rows."""
    step = np.arange(2 * length - 1) < length - 1
    return np.stack((step / max(length - 1, 1), ~step / length))
