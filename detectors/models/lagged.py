"""A model of windows: one core scores every sub-window, and recent sub-windows weigh more.

Promises
- Pure and deterministic, in float64: the reference that the exported graph has to match.
- A core scores sub-windows of `lag` standardised rows. The scores of a window's sub-windows are
  averaged with weights that decay exponentially into the past (an EWMA control chart, cut to the
  window), so that a lasting fault outweighs noise, and no state is needed.
- Where the method allows it, the weighted average of the sub-windows is scored as well, as in a
  multivariate EWMA chart (Lowry et al., Technometrics 34, 1992): noise averages out, a small
  lasting shift does not.
- A non-stationary tag (see `nonstationary`) is centred within each sub-window, so that its level
  does not count.
- Contributions are never negative and sum to the score.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from gateway.api.model import Bools, Floats

CLIP = 1e6
"""Standard deviations to which values are clipped, so that extreme values do not become NaN."""
FORGETTING = 0.2
"""Smoothing factor of the EWMA: weight of the newest sub-window against all before it."""
LASTING = 0.3
"""Share of a typical score that comes from the averaged sub-window."""
CELLS = 4_000_000
"""Cells processed at once, which bounds the memory."""

Node = tuple[str, list[str], str, dict[str, Any]]
"""Operator, inputs, outputs (separated by spaces) and attributes of a node of an ONNX graph."""


class Core(Protocol):
    """Scorer of sub-windows float64[row, time * tag], standardised and flattened."""

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """Returns contributions [row, tag], and residuals of the newest values [row, tag]."""

    def nodes(self) -> list[Node]:
        """The same as ONNX nodes, from `row` to `part` and `off`."""

    def constants(self) -> dict[str, Any]:
        """Constants of the nodes, besides the shared `tag_of_cell`, `cube` and `axis`."""


def linear_nodes(row: str = "row", tag_of_cell: str = "tag_of_cell") -> list[Node]:
    """Nodes of a core whose contributions are squares of a linear function, summed by tag."""
    return [
        ("Gemm", [row, "matrix", "shift"], "cells", {}),
        ("Mul", ["cells", "cells"], "squared", {}),
        ("MatMul", ["squared", tag_of_cell], "part", {}),
        ("Gemm", [row, "pull", "pull_shift"], "off", {}),
    ]


def linear_constants(centre: Floats, matrix: Floats, pull: Floats) -> dict[str, Any]:
    """Constants of `linear_nodes`: cells are (row - centre) @ matrix, `off` the same by `pull`."""
    arrays = {
        "matrix": matrix,
        "shift": -centre @ matrix,
        "pull": pull,
        "pull_shift": -centre @ pull,
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


class WindowFrame(NamedTuple):
    """Standardisation and sub-windows of a model, whatever its core.

    mean, std: float64[tag]; lag: rows of a sub-window; recency: float64[sub-window], weights,
    oldest first, that sum to 1; nonstationary: bool[tag], centred within each sub-window.
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
        """Decorrelation time of the score, in rows.

        Kish's effective sample size of the sub-window weights; for a single sub-window a quarter of
        its rows, which makes budgets come true on simulated plants.
        """
        if len(self.recency) == 1:
            return max(1.0, self.lag / 4)
        return float(1 / (self.recency**2).sum())

    @property
    def whole(self) -> "WindowFrame":
        """The same windows as a single sub-window."""
        return self._replace(lag=self.length, recency=np.ones(1))

    def standard(self, windows: Floats) -> Floats:
        """Standardises windows float64[..., tag], clipped to CLIP."""
        scaled = np.clip((windows - self.mean) / self.std, -CLIP, CLIP)
        return np.asarray(scaled, dtype=np.float64)

    def rows(self, windows: Floats) -> Floats:
        """Every sub-window of each window, as a core sees it: float64[row, time, tag]."""
        rows = subwindows(self.standard(windows), self.lag)
        return self._centred(rows.reshape(len(rows), self.lag, windows.shape[2]))

    def average(self, windows: Floats) -> Floats:
        """Weighted mean of each window's sub-windows: float64[window, time, tag]."""
        standard, count = self.standard(windows), len(self.recency)
        mean = [
            np.tensordot(standard[:, time : time + count], self.recency, axes=(1, 0))
            for time in range(self.lag)
        ]
        return self._centred(np.stack(mean, axis=1))

    def _centred(self, rows: Floats) -> Floats:
        return np.asarray(
            rows - self.nonstationary * rows.mean(axis=1, keepdims=True), dtype=np.float64
        )


class Lagged(NamedTuple):
    """A fitted model. `lasting`: weight of the averaged sub-window; 0 if it is not scored."""

    frame: WindowFrame
    core: Core
    lasting: float = 0.0

    @property
    def weights(self) -> Floats:
        """Float64[sub-window], oldest first; the averaged sub-window, if scored, comes last."""
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
    """A model that scores the averaged sub-window too, weighted to be LASTING of a mean score."""
    part, _ = core.judge(frame.average(windows).reshape(len(windows), -1))
    mean = float(part.sum(axis=1).mean())
    return Lagged(frame, core, LASTING / max(mean, 1e-12))


def subwindows(windows: Floats, lag: int) -> Floats:
    """Every `lag` consecutive rows of each window, flattened: float64[row, time * tag]."""
    views = np.lib.stride_tricks.sliding_window_view(windows, lag, axis=1)
    return views.transpose(0, 1, 3, 2).reshape(-1, lag * windows.shape[2])


def recency(count: int) -> Floats:
    """EWMA weights of this many sub-windows, oldest first, summing to 1."""
    weight = (1 - FORGETTING) ** np.arange(count)[::-1]
    return np.asarray(weight / weight.sum(), dtype=np.float64)
