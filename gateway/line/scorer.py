"""The detectors of a line at work: all due windows, one call for each detector.

Promises
- A detector that fails costs its own scores; the others score on.
- Scoring runs in one worker thread, so no detector ever sees two calls at once.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.api.contracts import Detector
from gateway.api.model import Score, Window
from gateway.telemetry.timings import Timings

Scored = Mapping[str, Sequence[Score] | Exception]
"""The scores of each detector, or why it failed."""


class Scorer:
    """`in_thread` False scores in the caller's thread, for a replay that waits for nothing else."""

    def __init__(
        self, detectors: Mapping[str, Detector], timings: Timings, *, in_thread: bool = True
    ) -> None:
        self._detectors, self._timings = detectors, timings
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="detectors") if in_thread else None

    async def score(self, windows: Mapping[str, Sequence[Window]]) -> Scored:
        """Score the windows of each detector."""
        if self._pool is None:
            return self._score_all(windows)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._score_all, windows)

    def _score_all(self, windows: Mapping[str, Sequence[Window]]) -> Scored:
        scored: dict[str, Sequence[Score] | Exception] = {}
        for name, cut in windows.items():
            started = time.perf_counter()
            try:
                scored[name] = self._detectors[name].score(cut)
            except Exception as error:  # noqa: BLE001 - one failing model must not stop the others
                scored[name] = error
            self._timings.scored(name, time.perf_counter() - started)
        return scored
