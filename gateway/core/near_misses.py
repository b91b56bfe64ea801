"""Near misses of models: scores that came near their threshold and went back below. Pure.

Promises
- Only scores of models count, which have a reference of their training, and only thresholds above
  0: near is a share of the threshold.
- One that became an alarm is none. It is reported when the score has gone back, with the time and
  the tags of its highest score, and at most one an hour for each alarm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gateway.api.alarms import Alarm
from gateway.api.contracts import Detector, HasReference
from gateway.api.model import SECOND, Nanos, Score
from gateway.core.alarms.causes import top_tags

NEAR = 0.9
"""The share of its threshold at which a score is near it."""
EVERY: Nanos = 3600 * SECOND


class NearMiss(NamedTuple):
    """What was almost an alarm: its highest score's time, and the tags that caused that."""

    id: str
    at: Nanos
    tags: tuple[str, ...]


@dataclass(slots=True)
class _Excursion:
    """A stay near the threshold; `is_alarm` if it passed it."""

    peak: float = 0.0
    at: Nanos = 0
    tags: tuple[str, ...] = ()
    is_alarm: bool = False


class NearMisses:
    """The near misses of all models of a line."""

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self._watched: dict[str, list[tuple[int, Alarm]]] = {
            name: [(n, alarm) for n, alarm in enumerate(detector.alarms) if _is_watched(alarm)]
            for name, detector in detectors.items()
            if isinstance(detector, HasReference)
        }
        self._tags = {name: detectors[name].spec.tags for name in self._watched}
        self._open: dict[str, _Excursion] = {}
        self._reported: dict[str, Nanos] = {}

    def push(self, detector: str, score: Score) -> Iterator[NearMiss]:
        """The near misses that end with this score."""
        for number, alarm in self._watched.get(detector, ()):
            name, value = f"{detector}.{alarm.name}", float(score.values[number])
            if value >= NEAR * alarm.threshold:
                self._follow(name, alarm, value, score, self._tags[detector])
            elif not np.isnan(value) and (gone := self._open.pop(name, None)) is not None:
                yield from self._report(name, gone)

    def _follow(
        self, name: str, alarm: Alarm, value: float, score: Score, tags: tuple[str, ...]
    ) -> None:
        excursion = self._open.setdefault(name, _Excursion())
        excursion.is_alarm |= alarm.exceeded_by(value)
        if value > excursion.peak and not excursion.is_alarm:
            excursion.peak, excursion.at = value, score.at
            excursion.tags = tuple(top.tag for top in top_tags(alarm, score, tags))

    def _report(self, name: str, gone: _Excursion) -> Iterator[NearMiss]:
        last = self._reported.get(name)
        # A clock that was set back leaves a time of the future behind.
        if gone.is_alarm or (last is not None and 0 <= gone.at - last < EVERY):
            return
        self._reported[name] = gone.at
        yield NearMiss(f"{name}~{gone.at // 1_000_000:x}", gone.at, gone.tags)


def _is_watched(alarm: Alarm) -> bool:
    return alarm.scope is not None and alarm.threshold > 0 and not alarm.below
