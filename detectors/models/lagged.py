"""A model of windows: the same core looks at every stretch of a window, the newest counts most.

Promises
- Pure and deterministic, in float64: the original that the exported graph has to match.
- A core sees `lag` standardised rows at a time. What it makes of the stretches of a window is
  averaged with weights that fall exponentially into the past (a moving average as in EWMA control
  charts, cut to the window), so that a fault that stays outweighs noise, and no state is needed.
- Where the method allows it the average of the stretches is judged as well, as in a multivariate
  EWMA chart (Lowry et al., Technometrics 34, 1992): noise averages out, a small shift does not.
- A tag whose level wandered by itself (see `wander`) is judged by its course within a stretch.
- Contributions are never negative and sum to the score.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from gateway.api.model import Bools, Floats

CLIP = 1e6
"""Standard deviations beyond which a value counts as this: a wild value must not become NaN."""
FORGETTING = 0.2
"""Weight of the newest stretch against all before it."""
LASTING = 0.3
"""Share of a usual score that is made of the averaged stretch."""
CELLS = 4_000_000
"""Cells that are worked on at once, which bounds the memory."""

Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, outputs (with blanks between) and attributes of a node of an ONNX graph."""


class Core(Protocol):
    """What judges rows float64[row, time * tag], standardised and flattened."""

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """Contributions [row, tag], and by how much the newest values are off [row, tag]."""

    def nodes(self) -> list[Node]:
        """The same as a graph from `row` to `part` and `off`."""

    def constants(self) -> dict[str, Any]:
        """What the nodes name beside these and the shared `tag_of_cell`, `cube` and `axis`."""


def linear_nodes(row: str = "row", tag_of_cell: str = "tag_of_cell") -> list[Node]:
    """Of a core whose contributions are squares of a linear function of the row, summed by tag."""
    return [
        ("Gemm", [row, "matrix", "shift"], "cells", {}),
        ("Mul", ["cells", "cells"], "squared", {}),
        ("MatMul", ["squared", tag_of_cell], "part", {}),
        ("Gemm", [row, "pull", "pull_shift"], "off", {}),
    ]


def linear_constants(centre: Floats, matrix: Floats, pull: Floats) -> dict[str, Any]:
    """What `linear_nodes` name: cells are (row - centre) @ matrix, and so is `off` with `pull`."""
    arrays = {
        "matrix": matrix,
        "shift": -centre @ matrix,
        "pull": pull,
        "pull_shift": -centre @ pull,
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


class WindowFrame(NamedTuple):
    """What models of the same windows have in common, whatever their core.

    mean, std: float64[tag]; recency: float64[stretch], weights, oldest first, that sum to 1;
    nonstationary: bool[tag], of which only the course within a stretch counts.
    """

    mean: Floats
    std: Floats
    lag: int
    recency: Floats
    nonstationary: Bools

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.lag + len(self.recency) - 1

    @property
    def memory(self) -> float:
        """Rows after which a score may differ from what it was.

        The stretches that it is an average of in effect (Kish's effective sample size); of a single
        stretch, a quarter of its rows: so many make budgets come true on simulated plants.
        """
        if len(self.recency) == 1:
            return max(1.0, self.lag / 4)
        return float(1 / (self.recency**2).sum())

    @property
    def whole(self) -> "WindowFrame":
        """The same windows as one stretch."""
        return self._replace(lag=self.length, recency=np.ones(1))

    def standard(self, windows: Floats) -> Floats:
        """In standard deviations of each tag."""
        found = np.clip((windows - self.mean) / self.std, -CLIP, CLIP)
        return np.asarray(found, dtype=np.float64)

    def rows(self, windows: Floats) -> Floats:
        """Every stretch of each window as a core sees it: float64[window * stretch, time, tag]."""
        rows = stretches(self.standard(windows), self.lag)
        return self._courses(rows.reshape(len(rows), self.lag, windows.shape[2]))

    def average(self, windows: Floats) -> Floats:
        """The weighted mean of each window's stretches: float64[window, time, tag]."""
        standard, count = self.standard(windows), len(self.recency)
        mean = [
            np.tensordot(standard[:, time : time + count], self.recency, axes=(1, 0))
            for time in range(self.lag)
        ]
        return self._courses(np.stack(mean, axis=1))

    def _courses(self, rows: Floats) -> Floats:
        return np.asarray(
            rows - self.nonstationary * rows.mean(axis=1, keepdims=True), dtype=np.float64
        )


class Lagged(NamedTuple):
    """A fitted model. `lasting`: what the averaged stretch's part counts; 0 if it is not judged."""

    frame: WindowFrame
    core: Core
    lasting: float = 0.0

    @property
    def weights(self) -> Floats:
        """Float64[stretch], oldest first, and of the averaged stretch behind them, if judged."""
        if not self.lasting:
            return self.frame.recency
        return np.append((1 - LASTING) * self.frame.recency, self.lasting)

    def score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        """Score [window], contribution [window, tag] and expected newest row [window, tag]."""
        _, _, lag, weights, _ = self.frame
        step = max(1, CELLS // (len(weights) * lag * windows.shape[2]))
        parts = [self._score(windows[n : n + step]) for n in range(0, len(windows), step)]
        score, contribution, expected = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        return score, contribution, expected

    def _score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        frame, (count, _, tags) = self.frame, windows.shape
        rows = frame.rows(windows).reshape(count, len(frame.recency), -1)
        if self.lasting:
            rows = np.append(rows, frame.average(windows).reshape(count, 1, -1), axis=1)
        judged = self.core.judge(rows.reshape(-1, rows.shape[2]))
        part, off = (each.reshape(count, -1, tags) for each in judged)
        contribution = np.einsum("nst,s->nt", part, self.weights)
        newest = off[:, len(frame.recency) - 1]
        return contribution.sum(axis=1), contribution, windows[:, -1] - newest * frame.std


def scaled(frame: WindowFrame, core: Core, windows: Floats) -> Lagged:
    """A model that judges the averaged stretch too, which is LASTING of a score in `windows`."""
    part, _ = core.judge(frame.average(windows).reshape(len(windows), -1))
    usual = float(part.sum(axis=1).mean())
    return Lagged(frame, core, LASTING / max(usual, 1e-12))


def stretches(windows: Floats, lag: int) -> Floats:
    """Every `lag` consecutive rows of each window, flattened: [window * stretch, time * tag]."""
    views = np.lib.stride_tricks.sliding_window_view(windows, lag, axis=1)
    return views.transpose(0, 1, 3, 2).reshape(-1, lag * windows.shape[2])


def recency(count: int) -> Floats:
    """Weights of so many stretches, oldest first."""
    weight = (1 - FORGETTING) ** np.arange(count)[::-1]
    return np.asarray(weight / weight.sum(), dtype=np.float64)
