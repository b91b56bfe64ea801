"""Cuts due clips from the history and encodes them as points.

Promises
- The line never waits for it: reading and encoding happen in threads.
- When a clip is opened, the samples recorded so far are written at once, so that a crash costs only
  later ones.
- A clip that the disk cannot read stays due.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from gateway.api import line_protocol
from gateway.api.model import Envelope, Nanos
from gateway.core import points
from gateway.core.clips import Clip, ClipPlan, Cut
from gateway.core.wait_limits import HISTORY_S
from gateway.history.excerpt import Excerpt
from gateway.history.table import Span
from gateway.telemetry.heartbeats import Part

log = structlog.get_logger()

TICK_S = 1.0


class ReadsHistory(Protocol):
    """The recorder, as the clipper uses it."""

    async def flush(self) -> None: ...

    async def excerpt(self, span: Span, number: Mapping[str, int]) -> Excerpt: ...


class Clipper:
    """The task that cuts the clips of a plan when they are due."""

    def __init__(
        self,
        plan: ClipPlan,
        recorder: ReadsHistory,
        site: str,
        line: str,
        clock: Callable[[], Nanos] = time.time_ns,
        part: Part | None = None,
    ) -> None:
        self._part = part or Part("clips")
        self._plan, self._recorder = plan, recorder
        self._site, self._line, self._clock = site, line, clock
        self._error = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clips")

    async def run(self) -> None:
        """Cuts due clips, forever."""
        while True:
            # Two waits for the history, each with a limit of its own, and the encoding.
            self._part.does("cutting", 3 * HISTORY_S)
            await self.tick(self._clock())
            self._part.beat()
            await asyncio.sleep(TICK_S)

    async def tick(self, now: Nanos) -> None:
        """Cuts the clip that is due at `now`, if there is one."""
        if self._plan.take_news():
            await self._recorder.flush()
        clip = self._plan.begin(now)
        if clip is None:
            return
        try:
            await self._cut(clip, now)
        except OSError as error:
            if not self._error:
                log.warning("clip.unreadable", why=str(error))
            self._error = str(error)
        else:
            self._error = ""

    async def _cut(self, clip: Clip, now: Nanos) -> None:
        numbers = self._plan.numbers(clip)
        excerpt = await self._recorder.excerpt((clip.since, clip.until), numbers)
        cut = self._plan.cut(clip, excerpt.samples, excerpt.damaged, now)
        points = await asyncio.get_running_loop().run_in_executor(self._thread, self._points, cut)
        self._plan.record(cut, points, now)
        log.info(
            "clip.cut",
            alerts=clip.alerts,
            tags=len(numbers),
            found=cut.found,
            sent=len(cut.samples),
            note=cut.note,
            asked=clip.asked,
        )

    def _points(self, cut: Cut) -> list[Envelope]:
        names = {number: tag for tag, number in self._plan.numbers(cut.clip).items()}
        samples = points.clip_envelopes(cut.samples, names, self._site, self._line)
        report = points.clip_report(report_of(cut), self._site, self._line, cut.clip.at)
        return [*samples, report]


def report_of(cut: Cut) -> dict[str, line_protocol.Value]:
    """The report of a clip, as the fields of a point: its alerts, span, samples and note."""
    clip: Clip = cut.clip
    return {
        "alerts": ",".join(clip.alerts),
        "alert_count": clip.alert_count,
        "tag_count": len(clip.tags),
        "clip_from": clip.since,
        "clip_to": clip.until,
        "found": cut.found,
        "sent": len(cut.samples),
        "note": cut.note,
        "asked": clip.asked,
    }
