"""A model of windows: the same core looks at every stretch of a window, the newest counts most.

Promises
- Pure and deterministic, in float64: the original that the exported graph has to match.
- A core sees `lag` standardised rows at a time. What it makes of the stretches of a window is
  averaged with weights that fall exponentially into the past (a moving average as in EWMA control
  charts, cut to the window), so that a fault that stays outweighs noise, and no state is needed.
- Contributions are never negative and sum to the score.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from gateway.model import Floats

CLIP = 1e6
"""Standard deviations beyond which a value counts as this: a wild value must not become NaN."""
FORGETTING = 0.2
"""Weight of the newest stretch against all before it."""
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
        """What the graph's nodes name beside these and the shared `cube`, `flat` and `axis`."""


class Frame(NamedTuple):
    """What models of the same windows have in common, whatever their core.

    mean, std: float64[tag]; recency: float64[stretch], weights, oldest first, that sum to 1.
    """

    mean: Floats
    std: Floats
    lag: int
    recency: Floats

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.lag + len(self.recency) - 1

    @property
    def memory(self) -> float:
        """Stretches that a score is an average of in effect (Kish's effective sample size)."""
        return float(1 / (self.recency**2).sum())

    def standard(self, windows: Floats) -> Floats:
        """In standard deviations of each tag."""
        found = np.clip((windows - self.mean) / self.std, -CLIP, CLIP)
        return np.asarray(found, dtype=np.float64)


class Lagged(NamedTuple):
    """A fitted model."""

    frame: Frame
    core: Core

    def score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        """Score [window], contribution [window, tag] and expected newest row [window, tag]."""
        _, _, lag, weights = self.frame
        step = max(1, CELLS // (len(weights) * lag * windows.shape[2]))
        parts = [self._score(windows[n : n + step]) for n in range(0, len(windows), step)]
        score, contribution, expected = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        return score, contribution, expected

    def _score(self, windows: Floats) -> tuple[Floats, Floats, Floats]:
        frame, (count, _, tags) = self.frame, windows.shape
        part, off = self.core.judge(stretches(frame.standard(windows), frame.lag))
        contribution = np.einsum("nst,s->nt", part.reshape(count, -1, tags), frame.recency)
        newest = off.reshape(count, -1, tags)[:, -1]
        return contribution.sum(axis=1), contribution, windows[:, -1] - newest * frame.std


def stretches(windows: Floats, lag: int) -> Floats:
    """Every `lag` consecutive rows of each window, flattened: [window * stretch, time * tag]."""
    views = np.lib.stride_tricks.sliding_window_view(windows, lag, axis=1)
    return views.transpose(0, 1, 3, 2).reshape(-1, lag * windows.shape[2])


def recency(count: int) -> Floats:
    """Weights of so many stretches, oldest first."""
    weight = (1 - FORGETTING) ** np.arange(count)[::-1]
    return np.asarray(weight / weight.sum(), dtype=np.float64)
