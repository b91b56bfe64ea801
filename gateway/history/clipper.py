"""Cuts the clips that are owed from the history, and makes the points that are sent of them.

Promises
- The line never waits for it: reading and encoding happen in threads.
- When a clip is opened what was recorded before it is written at once, so that a crash costs what
  came after.
- A clip that cannot be read because of the disk stays owed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from gateway.api import line_protocol
from gateway.api.model import Envelope, Nanos
from gateway.core import points
from gateway.core.clips import Clip, ClipPlan, Cut
from gateway.history.excerpt import Excerpt
from gateway.history.table import Span

log = structlog.get_logger()

LOOK_S = 1.0


class Recorded(Protocol):
    """What the clipper needs of the recorder."""

    async def flush(self) -> None: ...

    async def excerpt(self, span: Span, number: Mapping[str, int]) -> Excerpt: ...


class Clipper:
    """The task that pays what the plan owes."""

    def __init__(
        self,
        plan: ClipPlan,
        recorder: Recorded,
        site: str,
        line: str,
        clock: Callable[[], Nanos] = time.time_ns,
    ) -> None:
        self._plan, self._recorder = plan, recorder
        self._site, self._line, self._clock = site, line, clock
        self._error = ""

    async def run(self) -> None:
        """Look for what is due, for ever."""
        while True:
            await self.look(self._clock())
            await asyncio.sleep(LOOK_S)

    async def look(self, now: Nanos) -> None:
        """Cut the clip that is due at `now`, if there is one."""
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
        found = await self._recorder.excerpt((clip.since, clip.until), numbers)
        cut = self._plan.cut(clip, found.samples, found.damaged, now)
        points = await asyncio.to_thread(self._points, cut)
        self._plan.record(cut, points, now)
        log.info(
            "clip.cut",
            alerts=clip.alerts,
            tags=len(numbers),
            found=cut.found,
            sent=len(cut.samples),
            note=cut.note,
        )

    def _points(self, cut: Cut) -> list[Envelope]:
        names = {number: tag for tag, number in self._plan.numbers(cut.clip).items()}
        samples = points.clip_envelopes(cut.samples, names, self._site, self._line)
        report = points.clip_report(report_of(cut), self._site, self._line, cut.clip.at)
        return [*samples, report]


def report_of(cut: Cut) -> dict[str, line_protocol.Value]:
    """What a clip holds and lacks, as the fields of its own point."""
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
    }
