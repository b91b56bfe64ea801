"""The detectors of a line: their scores, and what each says of itself.

Promises
- A detector that fails is blind and says so; its neighbours are judged.
- A change is logged, not its repetition: failed, stuck, behind, blind, ok again.
"""

from collections.abc import Iterator, Mapping, Sequence

import structlog

from gateway.api.contracts import Detector
from gateway.api.model import Nanos, Score, Window, WindowSpec
from gateway.core.freshness import FreshnessWatch
from gateway.line.scorer import Scored, Scorer
from gateway.telemetry.detector_health import DetectorHealth
from gateway.telemetry.heartbeats import Heartbeats
from gateway.telemetry.tap import Tap
from gateway.telemetry.timings import Timings

log = structlog.get_logger()


def warm_up(spec: WindowSpec) -> int:
    """Windows that close before the first whole one after a start."""
    return spec.length // spec.hop + 1


class Detection:
    """The scorer, and the health of each detector by name."""

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        timings: Timings,
        tap: Tap,
        beats: Heartbeats,
        *,
        in_thread: bool,
    ) -> None:
        parts = {name: beats.part(f"detector {name}", restart_helps=True) for name in detectors}
        self.scorer = Scorer(detectors, timings, parts, in_thread=in_thread)
        self.health = {
            name: DetectorHealth(name, detector.alarms, warm_up(detector.spec), detector.spec.tags)
            for name, detector in detectors.items()
        }
        self._detectors, self._tap = detectors, tap
        self._behind: set[str] = set()
        """Detectors for which windows were dropped since they last scored."""

    async def score(self, windows: Mapping[str, Sequence[Window]]) -> Sequence[Scored]:
        """The scores that are there in time; see `Scorer.score`."""
        scored = await self.scorer.score(windows)
        for name, why in self.scorer.stuck():
            if self.health[name].note_stuck(why):
                log.error("detector.state", detector=name, state="blind", why=why)
        self._note_dropped(self.scorer.take_dropped())
        return scored

    def _note_dropped(self, dropped: Mapping[str, int]) -> None:
        for name, count in dropped.items():
            self.health[name].refused += count
            if name not in self._behind:
                log.warning("detector.behind", detector=name, windows_dropped=count)
        self._behind |= dropped.keys()

    def judge(
        self, scored: Sequence[Scored], watch: FreshnessWatch, now: Nanos
    ) -> Iterator[tuple[str, Window, Score]]:
        """Each window with its score, by detector; `watch` knows why tags give no data."""
        tags, doubts = watch.tags, watch.fit.doubts()
        problems = {tags[n].name: why for n, why in {**doubts, **watch.reasons(now)}.items()}
        awaited = {tags[n].name for n in watch.awaited(now).nonzero()[0]} if problems else ()
        for name, windows, scores in scored:
            health = self.health[name]
            if isinstance(scores, Exception):
                if health.note_failure(str(scores)):
                    log.error("detector.failed", detector=name, why=str(scores))
                continue
            self._behind.discard(name)
            self._tap.offer("scores", (name, self._detectors[name].spec, health.alarms, scores))
            for window, score in zip(windows, scores, strict=True):
                news = health.note(score, problems, awaited)
                if news:
                    log.info("detector.state", detector=name, state=news, why=health.reason)
                yield name, window, score
