"""Records the line's samples in a thread of its own.

Promises
- The line never waits: `note` appends to a list, everything else happens in the thread.
- Samples are on disk (fsync) after the flush interval at the latest, unless the disk fails; a crash
  costs the samples since the last flush.
- The folder is looked at every `LOOK_S`: one that was removed or replaced is noticed before the
  next flush, logged once, and made again when it can be.
- A failing disk affects history alone: samples wait in memory, up to `LIMIT` of them, then the
  oldest are dropped and counted.
"""

import asyncio
import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from gateway.api.model import SECOND, Nanos, SampleBatch
from gateway.core.trends import TrendBins
from gateway.core.wait_limits import HISTORY_S
from gateway.history.archive import Archive
from gateway.history.excerpt import Excerpt
from gateway.history.table import Arrival, Span
from gateway.telemetry.heartbeats import Part

log = structlog.get_logger()

EARLY = 250_000
"""This many samples, some 8 MB, cause a flush before the interval is over."""
LOOK_S = 2.0
LIMIT = 8 * EARLY
"""At most this many samples wait in memory while the disk fails."""


class Recorder:
    """The recorder of one line; `open_archive` is called in the thread, where it may take long."""

    from_history, shortest = True, 0

    def __init__(
        self,
        open_archive: Callable[[], Archive],
        flush: Nanos,
        clock: Callable[[], Nanos] = time.time_ns,
        part: Part | None = None,
    ) -> None:
        self._part = part or Part("history")
        self._open, self._flush, self._clock = open_archive, flush / SECOND, clock
        self._archive: Archive | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._waiting: deque[Arrival] = deque()
        self._samples = 0
        self._full, self._lock = asyncio.Event(), asyncio.Lock()
        self.written = 0
        self.dropped = 0
        self.error = ""
        self._facts: Mapping[str, object] = {}

    async def excerpt(self, span: Span, number: Mapping[str, int]) -> Excerpt:
        """The recorded samples of some tags in a span, whether written yet or not."""
        async with self._lock:
            waiting = list(self._waiting)
            loop = asyncio.get_running_loop()
            with self._part.during("reading", HISTORY_S):
                work = functools.partial(self._excerpt, span, number, waiting)
                return await loop.run_in_executor(self._thread, work)

    def _excerpt(
        self, span: Span, number: Mapping[str, int], waiting: Sequence[Arrival]
    ) -> Excerpt:
        return self._opened().excerpt(span, number, waiting)

    async def trend(self, bins: TrendBins) -> str:
        """Fills the bins from the recorded samples, written yet or not; says what is missing.

        Samples wait meanwhile, which is a short time (gateway/history/trend.py). OSError.
        """
        async with self._lock:
            waiting = list(self._waiting)
            loop = asyncio.get_running_loop()
            with self._part.during("reading", HISTORY_S):
                work = functools.partial(self._trend, bins, waiting)
                return await loop.run_in_executor(self._thread, work)

    def _trend(self, bins: TrendBins, waiting: Sequence[Arrival]) -> str:
        return self._opened().trend(bins, waiting)

    def note(self, now: Nanos, batch: SampleBatch | None) -> None:
        """Records the samples that had arrived at the tick `now`; the line's tag indices."""
        self._waiting.append((now, batch))
        self._samples += _count(batch)
        if self._samples >= EARLY and not self.error:
            self._full.set()
        while self._samples > LIMIT:
            lost = _count(self._waiting.popleft()[1])
            self._samples -= lost
            self.dropped += lost

    async def run(self) -> None:
        """Flushes at each interval, forever."""
        due = time.monotonic() + self._flush
        while True:
            with contextlib.suppress(TimeoutError):
                wait = max(due - time.monotonic(), 0.0)
                await asyncio.wait_for(self._full.wait(), min(wait, LOOK_S))
            if self._full.is_set() or time.monotonic() >= due:
                self._full.clear()
                await self.flush()
                due = time.monotonic() + self._flush
            else:
                await self._look()
            self._part.beat()

    async def _look(self) -> None:
        """Notices a folder that is not in its place any more, and a disk that works again."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._thread, self._stand)
            except OSError as error:
                self._note(error)

    def _stand(self) -> None:
        self._opened().stand()

    async def flush(self) -> None:
        """Writes the waiting samples; if the disk fails they keep waiting."""
        # No excerpt may be read while samples are neither on the disk nor waiting.
        async with self._lock:
            await self._flush_all()

    async def _flush_all(self) -> None:
        arrivals = self._take()
        if not arrivals:
            return
        loop = asyncio.get_running_loop()
        try:
            with self._part.during("writing", HISTORY_S):
                await loop.run_in_executor(self._thread, self._store, arrivals)
        except OSError as error:
            self._refused(error, arrivals)
        except Exception:
            self.dropped += sum(_count(batch) for _, batch in arrivals)
            raise
        else:
            if self.error:
                log.info("history.accepts", dropped=self.dropped)
            self.error = ""

    def _refused(self, error: OSError, arrivals: list[Arrival]) -> None:
        self._note(error)
        self._waiting.extendleft(reversed(arrivals))
        self._samples += sum(_count(batch) for _, batch in arrivals)

    def _note(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if not self.error:
            log.warning("history.refused", why=why)
        self.error = why

    def _take(self) -> list[Arrival]:
        arrivals = list(self._waiting)
        self._waiting.clear()
        self._samples = 0
        return arrivals

    def _store(self, arrivals: list[Arrival]) -> None:
        archive = self._opened()
        archive.store(arrivals)
        self.written += sum(_count(batch) for _, batch in arrivals)
        archive.maintain(self._clock())
        self._facts = archive.facts()

    def _opened(self) -> Archive:
        if self._archive is None:
            self._archive = self._open()
        return self._archive

    def close(self) -> None:
        """Writes the rest, if the disk takes it, and ends the thread."""
        arrivals = self._take()
        if arrivals:
            self._thread.submit(self._store, arrivals)
        self._thread.shutdown(wait=True)

    def facts(self) -> dict[str, object]:
        """The recorder's state for status and metrics."""
        return {
            "written": self.written,
            "waiting": self._samples,
            "dropped": self.dropped,
            "error": self.error,
            **self._facts,
        }


def _count(batch: SampleBatch | None) -> int:
    return len(batch) if batch is not None else 0
