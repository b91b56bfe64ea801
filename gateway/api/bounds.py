"""The bounds of tags: what is physically possible, applied once to every batch. Pure.

Promises
- A value below `low`, above `high`, not finite, or one of `no_value` becomes NaN with quality BAD.
- Bad stays bad, and no value comes with it. Nothing else of a sample changes.
- A value that is made bad here has its reason: which bound it is beyond, and the value.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.api.model import Bools, Floats, Quality, SampleBatch, Tag

_LARGEST = float(np.finfo(np.float64).max)
SAME = 1e-6
"""Relative difference up to which a value is one of `no_value`: some systems store float32."""


class Bounds:
    """The bounds of these tags, which `SampleBatch.tag` indexes."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        # The largest float as the default makes one comparison catch infinities and NaN too.
        self._low = np.array([-_LARGEST if tag.low is None else tag.low for tag in tags])
        self._high = np.array([_LARGEST if tag.high is None else tag.high for tag in tags])
        self._no_value = _table_of([tag.no_value for tag in tags])

    def apply(self, batch: SampleBatch) -> SampleBatch:
        """The batch with every impossible value made bad; the same object if there is none."""
        low, high = self._low[batch.tag], self._high[batch.tag]
        usable = (batch.value >= low) & (batch.value <= high) & (batch.quality != Quality.BAD)
        if self._no_value.size:
            usable &= ~is_any_of(batch.value, self._no_value[batch.tag])
        if usable.all():
            return batch
        return replace(
            batch,
            reasons={**self._reasons(batch, usable), **batch.reasons},
            outside=self._outside(batch, usable),
            value=np.where(usable, batch.value, np.nan),
            quality=np.where(usable, batch.quality, np.uint8(Quality.BAD)),
        )

    def _outside(self, batch: SampleBatch, usable: Bools) -> dict[int, str]:
        """Which bound the newest sample of a tag is beyond, by the tag's index."""
        value, tag = batch.value, batch.tag
        known = ~usable & np.isfinite(value) & (batch.quality != Quality.BAD)
        side = np.where(value > self._high[tag], 1, np.where(value < self._low[tag], -1, 0)) * known
        newest = dict(zip(tag.tolist(), side.tolist(), strict=True))
        return {number: self._beyond(number, sign) for number, sign in newest.items() if sign}

    def _beyond(self, tag: int, sign: int) -> str:
        return f"above high, {self._high[tag]:g}" if sign > 0 else f"below low, {self._low[tag]:g}"

    def _reasons(self, batch: SampleBatch, usable: Bools) -> dict[int, str]:
        found: dict[int, str] = {}
        for row in np.flatnonzero(~usable & (batch.quality != Quality.BAD)).tolist():
            tag, value = int(batch.tag[row]), float(batch.value[row])
            if value < self._low[tag] and np.isfinite(value):
                found[tag] = f"{value:g} is {self._beyond(tag, -1)}"
            elif value > self._high[tag] and np.isfinite(value):
                found[tag] = f"{value:g} is {self._beyond(tag, 1)}"
            elif not np.isfinite(value):
                found[tag] = f"{value:g} is no finite number"
            else:
                found[tag] = f"{value:g} means no value"
        return found


def is_any_of(values: Floats, numbers: Floats) -> Bools:
    """Which values float64[n] are one of their numbers float64[n, k] or [k], padded with NaN."""
    near = np.abs(values[:, None] - numbers) <= SAME * np.abs(numbers)
    return np.asarray(near.any(axis=1), dtype=np.bool_)


def _table_of(rows: Sequence[Sequence[float]]) -> Floats:
    """The rows as float64[row, longest], padded with NaN."""
    table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, numbers in zip(table, rows, strict=True):
        row[: len(numbers)] = numbers
    return table
