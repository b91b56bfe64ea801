"""The instruments: they add noise, range and resolution to the true values.

Promises
- A reading is exactly the value that a client of the servers gets: limited to the transmitter's
  range and rounded to its resolution.
- Reading twice at the same step gives the same values.
"""

from collections.abc import Sequence

import numpy as np

from connectors.simulator.signals import SIGNALS

Readings = list[float]
"""One value for each of `SIGNALS`, in their order and units."""

_CHUNK = 1024


class Noise:
    """Rows of `width` standard normal numbers, drawn in chunks, which is ten times faster."""

    def __init__(self, rng: np.random.Generator, width: int) -> None:
        self._rng, self._width = rng, width
        self._rows: list[list[float]] = []
        self._at = 0

    def row(self) -> list[float]:
        """The next row."""
        if self._at == len(self._rows):
            self._rows = self._rng.standard_normal((_CHUNK, self._width)).tolist()
            self._at = 0
        self._at += 1
        return self._rows[self._at - 1]


_COLUMNS = tuple((s.noise, s.resolution, float(s.low), float(s.high)) for s in SIGNALS)


def read(truth: Sequence[float], noise: Sequence[float]) -> Readings:
    """Readings of true values, both in the order of `SIGNALS`; `noise` is standard normal."""
    return [
        round(min(max(true + spread * normal, low), high) / step) * step
        for true, normal, (spread, step, low, high) in zip(truth, noise, _COLUMNS, strict=True)
    ]
