"""The own times of a source's samples, as its `timestamp` option has them. Pure.

Promises
- Nothing is corrected unless the line file says so: `receive` takes the time of arrival, and
  `corrected` subtracts a tag's offset once it was measured and is steady.
- An offset is measured over `MEASURED` samples at least a second apart that agree within `SPREAD`.
  Until then, and while they do not agree, a sample is uncertain, at its arrival, and says why.
- Samples that fit as they are pass unchanged, so a clock that is set right needs no restart.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.api.durations import spell_roughly
from gateway.api.model import SECOND, Bools, Nanos, Quality, SampleBatch, Tag

MEASURED = 5
APART = SECOND
SPREAD = 2 * SECOND
FITS = SECOND
"""A time up to this far ahead of its arrival, or as far behind or a period of its tag, fits."""
ENDED = 60 * SECOND
"""A correction that was not needed for this long, or 20 periods of its tag, is over."""
UNMEASURED = "its time is wrong, and by how much is being measured"
UNSTEADY = "its time is wrong by an offset that is not steady, so it cannot be corrected"


@dataclass(slots=True)
class _Clock:
    """What is known of one tag's clock."""

    fits_behind: Nanos
    patience: Nanos
    offsets: deque[Nanos] = field(default_factory=lambda: deque(maxlen=MEASURED))
    measured_at: Nanos = 0
    correction: Nanos | None = None
    used_at: Nanos = 0

    def measure(self, offset: Nanos, arrived: Nanos) -> None:
        if abs(arrived - self.measured_at) >= APART:
            self.offsets.append(offset)
            self.measured_at = arrived

    @property
    def steady(self) -> Nanos | None:
        """The offset of the last samples, if they agree."""
        if len(self.offsets) < MEASURED or max(self.offsets) - min(self.offsets) > SPREAD:
            return None
        return sorted(self.offsets)[MEASURED // 2]

    @property
    def agrees(self) -> bool:
        """Whether any of the last samples still has the offset that is corrected."""
        known = self.correction
        return known is not None and any(abs(each - known) <= SPREAD for each in self.offsets)


@dataclass(frozen=True, slots=True)
class Correction:
    """Tags whose correction has changed; `by` is '-2 h', empty if it is over."""

    tags: Sequence[str]
    by: str


class TimeCorrection:
    """Applies the `timestamp` option of one source: source, server, receive or corrected.

    `tags` are the connector's, which `SampleBatch.tag` indexes.
    """

    def __init__(self, tags: Sequence[Tag], timestamp: str) -> None:
        self._tags = tuple(tags)
        self._apply = _APPLY.get(timestamp)
        self._clocks = [
            _Clock(max(FITS, tag.period), max(ENDED, 20 * tag.period)) for tag in self._tags
        ]
        self._fits_behind = np.array([clock.fits_behind for clock in self._clocks])
        self._news: dict[int, Nanos | None] = {}
        self._told: dict[int, str] = {}

    def apply(self, batch: SampleBatch, arrived: Nanos) -> SampleBatch:
        """The batch with the times to go by; the same object where nothing is to be changed."""
        return batch if self._apply is None or not len(batch) else self._apply(self, batch, arrived)

    def _receive(self, batch: SampleBatch, arrived: Nanos) -> SampleBatch:
        return replace(batch, at=np.full(len(batch), arrived, dtype=np.int64))

    def _correct(self, batch: SampleBatch, arrived: Nanos) -> SampleBatch:
        good = batch.quality == Quality.GOOD
        offset = batch.at - arrived
        wrong = good & ((offset > FITS) | (offset < -self._fits_behind[batch.tag]))
        at, quality = batch.at.copy(), batch.quality.copy()
        reasons = dict(batch.reasons)
        for tag in np.unique(batch.tag[good]).tolist():
            rows = (batch.tag == tag) & wrong
            if not rows.any():
                self._note_fit(tag, arrived)
                continue
            correction = self._correction(tag, _newest(offset, rows), arrived)
            if correction is None:
                at[rows], quality[rows] = arrived, Quality.UNCERTAIN
                clock = self._clocks[tag]
                reasons[tag] = UNSTEADY if len(clock.offsets) == MEASURED else UNMEASURED
            else:
                at[rows] -= correction
        return replace(batch, at=at, quality=quality, reasons=reasons)

    def _correction(self, tag: int, offset: Nanos, arrived: Nanos) -> Nanos | None:
        clock = self._clocks[tag]
        clock.measure(offset, arrived)
        clock.used_at = arrived
        if clock.correction is not None and abs(offset - clock.correction) <= SPREAD:
            return clock.correction
        steady = clock.steady
        if steady is None or abs(offset - steady) > SPREAD:
            # One stray sample does not end a correction.
            if clock.correction is not None and not clock.agrees:
                self._set(tag, None)
            return None
        self._set(tag, steady)
        return steady

    def _note_fit(self, tag: int, arrived: Nanos) -> None:
        clock = self._clocks[tag]
        unused = arrived - clock.used_at
        if clock.correction is not None and not 0 <= unused < clock.patience:
            clock.offsets.clear()
            self._set(tag, None)

    def _set(self, tag: int, correction: Nanos | None) -> None:
        self._clocks[tag].correction = correction
        self._news[tag] = correction

    @property
    def corrected(self) -> Mapping[str, str]:
        """By how much the times of tags are corrected, as in '-2 h', by tag."""
        return {
            tag.name: _signed(clock.correction)
            for tag, clock in zip(self._tags, self._clocks, strict=True)
            if clock.correction is not None
        }

    def news(self) -> Sequence[Correction]:
        """The corrections that have changed since the last call, grouped by their amount.

        A drifting clock changes its correction often, which is news if the amount reads otherwise.
        """
        groups: dict[str, list[str]] = {}
        for tag, correction in self._news.items():
            by = "" if correction is None else _signed(correction)
            if self._told.get(tag, "") != by:
                self._told[tag] = by
                groups.setdefault(by, []).append(self._tags[tag].name)
        self._news.clear()
        return [Correction(tags, by) for by, tags in groups.items()]


_APPLY: Mapping[str, Callable[[TimeCorrection, SampleBatch, Nanos], SampleBatch]] = {
    "receive": TimeCorrection._receive,  # noqa: SLF001 - its own methods
    "corrected": TimeCorrection._correct,  # noqa: SLF001
}


def _newest(offset: np.ndarray, rows: Bools) -> Nanos:
    return int(offset[rows].max())


def _signed(offset: Nanos) -> str:
    """What is added to the times to correct this offset."""
    return f"{'-' if offset > 0 else '+'}{spell_roughly(offset)}"
