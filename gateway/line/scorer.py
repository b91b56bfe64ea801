"""The detectors of a line at work: all due windows, one call for each detector.

Promises
- A detector that fails costs its own scores; the others score on.
- Scoring runs in one worker thread, and no detector ever sees two calls at once.
- The line waits for scores only for a moment: later ones are judged with a later tick, in order.
- A call that is stuck cannot be ended. It keeps its thread, the other detectors go on in a new one,
  and if it ends after all, its scores count.
- The windows that wait for a detector meanwhile take a bounded memory; older ones are counted as
  not judged.
"""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from gateway.api.contracts import Detector
from gateway.api.model import Score, Window
from gateway.api.wording import counted
from gateway.core.wait_limits import SCORING_S
from gateway.line.worker import Worker
from gateway.telemetry.heartbeats import Part
from gateway.telemetry.timings import Timings

PATIENCE_S = 0.8
"""How long a tick waits for scores: the next one must not be late."""
WAITING_BYTES = 32 * 2**20
"""The memory of all windows that wait for a detector which is busy."""
_THREAD = "detectors"


class Scored(NamedTuple):
    """Windows of one detector with their scores, or why it failed."""

    detector: str
    windows: Sequence[Window]
    scores: Sequence[Score] | Exception


class _Queue:
    """What one detector has to do: the windows that wait, and whether it is at work."""

    def __init__(self, detector: Detector, part: Part) -> None:
        self.detector, self.part = detector, part
        self.cuts: deque[Sequence[Window]] = deque()
        self.is_busy = False
        self.is_stuck = False
        self.turn = 0
        self.dropped = 0
        """Windows that were dropped since somebody asked."""

    def add(self, windows: Sequence[Window], limit: int) -> None:
        """More windows; the oldest are dropped while those that wait take more bytes."""
        self.cuts.append(windows)
        while len(self.cuts) > 1 and sum(map(_size, self.cuts)) > limit:
            self.dropped += len(self.cuts.popleft())

    def take(self) -> list[Window]:
        """All windows that wait."""
        windows = [window for cut in self.cuts for window in cut]
        self.cuts.clear()
        return windows


def _size(cut: Sequence[Window]) -> int:
    """Bytes of the rows that windows cut from one array share; each cell is a number and a flag."""
    first, last = cut[0], cut[-1]
    rows: int
    rows, tags = first.values.shape
    return (rows + (last.start - first.start) // first.period) * int(tags) * 9


class Scorer:
    """`in_thread` False scores in the caller's thread, for a replay that waits for nothing else.

    `parts` are the detectors in the table of heartbeats.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        timings: Timings,
        parts: Mapping[str, Part] | None = None,
        *,
        in_thread: bool = True,
        patience: float = PATIENCE_S,
    ) -> None:
        self._timings, self._patience, self._in_thread = timings, patience, in_thread
        parts = parts or {}
        self._queues = {
            name: _Queue(detector, parts.get(name) or Part(f"detector {name}"))
            for name, detector in detectors.items()
        }
        self._order = {name: number for number, name in enumerate(detectors)}
        self._limit = WAITING_BYTES // max(len(detectors), 1)
        self._worker = Worker(_THREAD)
        self._done: list[Scored] = []
        self._changed = asyncio.Event()
        self._turns = itertools.count(1)
        self._is_late = False
        """Whether the last tick went on without scores: then the next does not wait for them."""

    async def score(self, windows: Mapping[str, Sequence[Window]]) -> Sequence[Scored]:
        """The scores of these windows, and of earlier ones, as far as they are there in time."""
        if not self._in_thread:
            return [self._score(name, cut) for name, cut in windows.items()]
        for name, cut in windows.items():
            self._queues[name].add(cut, self._limit)
        self._leave_stuck_thread()
        self._start_next()
        await self._wait()
        done, self._done = self._done, []
        return sorted(done, key=lambda scored: self._order[scored.detector])

    def stuck(self) -> Iterator[tuple[str, str]]:
        """The detectors that are stuck, each with why."""
        for name, queue in self._queues.items():
            if queue.is_stuck:
                yield name, f"stuck {queue.part.state.wait.what} for {queue.part.seconds:.0f} s"

    def take_dropped(self) -> Mapping[str, int]:
        """Windows that were dropped since the last call, by detector."""
        dropped = {name: queue.dropped for name, queue in self._queues.items() if queue.dropped}
        for name in dropped:
            self._queues[name].dropped = 0
        return dropped

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._is_late else self._patience):
                while self._is_working:
                    self._changed.clear()
                    await self._changed.wait()
        self._is_late = self._is_working

    @property
    def _is_working(self) -> bool:
        """Whether a call is under way that is not stuck."""
        return any(queue.is_busy and not queue.is_stuck for queue in self._queues.values())

    def _leave_stuck_thread(self) -> None:
        for queue in self._queues.values():
            if queue.is_busy and not queue.is_stuck and queue.part.seconds > SCORING_S:
                queue.is_stuck = True
                self._worker.end()
                self._worker = Worker(_THREAD)

    def _start_next(self) -> None:
        """Start the next detector that has windows, unless one is at work."""
        due = [name for name, queue in self._queues.items() if queue.cuts and not queue.is_busy]
        if due and not self._is_working:
            # The one that was longest not at work: a slow one does not keep the others from it.
            self._start(min(due, key=lambda name: self._queues[name].turn))

    def _start(self, name: str) -> None:
        queue = self._queues[name]
        cut = queue.take()
        queue.is_busy, queue.turn = True, next(self._turns)
        queue.part.does(f"scoring {counted(len(cut), 'window')}", SCORING_S)
        future = self._worker.run(partial(self._score, name, cut))
        future.add_done_callback(partial(self._finish, queue))

    def _finish(self, queue: _Queue, future: "asyncio.Future[Scored]") -> None:
        queue.is_busy = queue.is_stuck = self._is_late = False
        queue.part.rest()
        if not future.cancelled():
            self._done.append(future.result())
        self._start_next()
        self._changed.set()

    def _score(self, name: str, cut: Sequence[Window]) -> Scored:
        started = time.perf_counter()
        scores: Sequence[Score] | Exception
        try:
            scores = self._queues[name].detector.score(cut)
        except Exception as error:  # noqa: BLE001 - one failing model must not stop the others
            scores = error
        self._timings.scored(name, time.perf_counter() - started)
        return Scored(name, cut, scores)
