"""Statistics of a window: how each tag runs through it, not only where it stands.

Of each tag its roughness (variance of the steps from row to row), its spread (variance about the
straight line through the rows), its trend and its level are taken, and judged by their Mahalanobis
distance. Of a variance the fourth root is taken, which is nearly normal (Hawkins and Wixley, The
American Statistician 40, 1986), so that more and less of it count alike. So a tag that shakes or
goes quiet is seen, as in cavitation or of a stuck sensor, which a distance of rows sees late or
never.
"""

from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node, linear_constants, linear_nodes
from detectors.models.mahalanobis import Mahalanobis, fit_shrunken
from gateway.api.model import Floats

QUIET = 1e-4
"""Of a tag's usual variance, which is added to it: near 0 a root would magnify what is rounded."""
MIN_VARIANCE = 1e-6
"""The same in squared standard deviations of the tag, beyond the precision of a float32."""
MAX_TAGS = 160
"""More are judged so only where it is asked for: learning takes a minute and more."""
HARDLY = 1e-6
"""A statistic that varied by less, as the level of a tag that wandered, says nothing."""


class Statistics(NamedTuple):
    """A fitted core.

    quiet: float64[2, tag], added to the two variances; usual and width: float64[statistic, tag],
    mean and standard deviation, 0 where it hardly varied, of roughness, spread, trend and level;
    distance: of these, standardised.
    """

    length: int
    quiet: Floats
    usual: Floats
    width: Floats
    distance: Mahalanobis

    def __str__(self) -> str:
        return f"level, trend, spread and roughness of each tag in a window, {self.distance}"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`. A tag is off by what its level is off."""
        found = statistics(variances(rows, self.length), rows, self.quiet, self.length)
        standard = (found - self.usual) * inverse(self.width)
        part, off = self.distance.judge(standard.reshape(len(rows), -1))
        return part, off * self.width[-1]

    def nodes(self) -> list[Node]:
        """See `Core`."""
        return [
            ("Reshape", ["row", "cube"], "stretch", {}),
            ("MatMul", ["moves", "stretch"], "course", {}),
            ("Mul", ["course", "course"], "courses_squared", {}),
            ("MatMul", ["averages", "courses_squared"], "variances", {}),
            ("Add", ["variances", "quiet"], "at_least", {}),
            ("Sqrt", ["at_least"], "deviations", {}),
            ("Sqrt", ["deviations"], "roots", {}),
            ("MatMul", ["lines", "stretch"], "line", {}),
            ("Concat", ["roots", "line"], "statistics", {"axis": 1}),
            ("Reshape", ["statistics", "flat_statistics"], "found", {}),
            *linear_nodes("found", "tag_of_statistic"),
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
    """A core for each of the least variances of a Mahalanobis distance; [row, time, tag]."""
    count, length, _ = rows.shape
    flat = rows.reshape(count, -1)
    both = variances(flat, length)
    quiet = np.maximum(QUIET * both.mean(axis=0), MIN_VARIANCE)
    found = statistics(both, flat, quiet, length)
    usual, width = found.mean(axis=0), found.std(axis=0)
    width[width < HARDLY] = 0
    standard = (found - usual) * inverse(width)
    return [Statistics(length, quiet, usual, width, each) for each in fit_shrunken(standard)]


def inverse(width: Floats) -> Floats:
    """One over it, and 0 where it is 0."""
    return np.divide(1, width, out=np.zeros_like(width), where=width > 0)


def variances(rows: Floats, length: int) -> Floats:
    """Of steps and about the line through the rows: float64[row, 2, tag]."""
    return averages(length) @ (moves(length) @ rows.reshape(len(rows), length, -1)) ** 2


def statistics(variances: Floats, rows: Floats, quiet: Floats, length: int) -> Floats:
    """Float64[row, statistic, tag] of float64[row, time * tag], levels last."""
    line = lines(length) @ rows.reshape(len(rows), length, -1)
    return np.concatenate(((variances + quiet) ** 0.25, line), axis=1)


def lines(length: int) -> Floats:
    """Float64[2, time]: rise and mean of the straight line through as many rows."""
    time = np.arange(length) - (length - 1) / 2
    rise = time * length / max((time**2).sum(), 1)
    return np.stack((rise, np.full(length, 1 / length)))


def moves(length: int) -> Floats:
    """Float64[step and row, time]: the steps between rows, and the rows less the line."""
    time = np.arange(length) - (length - 1) / 2
    line = np.stack((time / max(np.sqrt((time**2).sum()), 1), np.full(length, length**-0.5)))
    return np.concatenate((np.diff(np.eye(length), axis=0), np.eye(length) - line.T @ line))


def averages(length: int) -> Floats:
    """Float64[2, step and row]: the mean of steps, and of rows."""
    step = np.arange(2 * length - 1) < length - 1
    return np.stack((step / max(length - 1, 1), ~step / length))
