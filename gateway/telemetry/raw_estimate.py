"""What a gateway without models would have sent: every good sample, as line protocol. An estimate.

Nothing is done for each sample. Once a minute up to 1,000 samples, as they came, are encoded and
compressed for real, as many as such a gateway puts into one request; their bytes per sample are
the price of all samples until the next time. The first minute has the price of its first samples,
which are few and compress badly.
"""

import gzip
from collections.abc import Sequence

import numpy as np

from gateway.api.line_protocol import encode
from gateway.api.model import SECOND, Nanos, Point, Quality, SampleBatch, Tag

EVERY: Nanos = 60 * SECOND
MOST = 1_000


class RawEstimate:
    """Counts what it would have sent since the start."""

    def __init__(self, tags: Sequence[Tag], site: str, line: str) -> None:
        self._keys = [{"site": site, "line": line, "tag": tag.name} for tag in tags]
        self._lines: list[bytes] = []
        self._began: Nanos = 0
        self._rest_until: Nanos = 0
        self._paid, self._price = np.zeros(2), np.zeros(2)
        self._count = 0
        """Good samples that the price is still to be paid for."""

    @property
    def plain(self) -> int:
        """Bytes of line protocol."""
        return round(float(self._paid[0] + self._count * self._price[0]))

    @property
    def zipped(self) -> int:
        """The same in requests of 1,000 lines, each compressed."""
        return round(float(self._paid[1] + self._count * self._price[1]))

    def note(self, batch: SampleBatch, now: Nanos) -> None:
        """These samples would have been sent."""
        good = np.flatnonzero(batch.quality == Quality.GOOD)
        if len(good) and not self._price.any():
            self._lines = self._encoded(batch, good[:MOST])
            self._set_price()
            self._lines = []
        self._count += len(good)
        # A clock that was set back must not make the rest longer.
        if not len(good) or 0 < self._rest_until - now <= EVERY:
            return
        if not self._lines:
            self._began = now
        self._lines += self._encoded(batch, good[: MOST - len(self._lines)])
        if len(self._lines) >= MOST or abs(now - self._began) >= EVERY:
            self._set_price()
            self._lines, self._rest_until = [], now + EVERY

    def _encoded(self, batch: SampleBatch, which: np.ndarray) -> list[bytes]:
        columns = (batch.tag[which], batch.value[which], batch.at[which])
        samples = zip(*(column.tolist() for column in columns), strict=True)
        return [
            encode(Point("sensor", self._keys[tag], {"value": v}, at)) for tag, v, at in samples
        ]

    def _set_price(self) -> None:
        self._paid = self._paid + self._count * self._price
        self._count = 0
        body = b"\n".join(self._lines)
        self._price = np.array([len(body) + 1, len(gzip.compress(body, 6))]) / len(self._lines)
