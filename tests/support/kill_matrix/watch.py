"""The gateway's own reading of a plant, and all that comes of it.

Not a copy of it: `gateway.line.source` opens and reopens the connector, `gateway.line.inbox` takes
the samples, and `gateway.core.freshness` judges them as it does for `andon status`.
"""

import asyncio
import contextlib
import time

import numpy as np

from gateway.api.model import Quality
from gateway.config.schema import TimingSection
from gateway.core.freshness import Freshness, FreshnessWatch
from gateway.line.inbox import Inbox
from gateway.line.source import keep_reading
from gateway.telemetry.source_health import SourceHealth

_LOOK_S = 0.02


class Watch:
    """`async with Watch(plant)` reads it. `samples` and `wells` are kept with their moments.

    A moment is in s of the monotonic clock. `wells` holds the changes of what is well, tag by tag.
    """

    def __init__(self, plant):
        self.connector = plant.connector()
        self.tags = self.connector.declared_tags(plant.name, self.connector.options)
        self.health, self.inbox = SourceHealth(plant.name), Inbox(self.tags)
        timing = TimingSection()
        self._freshness = FreshnessWatch(self.tags, timing.stale_periods, timing.hold_periods)
        self.samples = []
        self.wells = []
        self._tasks = []

    async def __aenter__(self):
        reading = keep_reading(self.connector, range(len(self.tags)), self.inbox, self.health)
        self._tasks = [asyncio.create_task(reading), asyncio.create_task(self._look())]
        return self

    async def __aexit__(self, *_):
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    async def _look(self):
        while True:
            batch = self.inbox.drain()
            if batch is not None:
                self._freshness.push(batch, time.time_ns())
                self.samples.append((time.monotonic(), batch))
            well = self._well()
            if not self.wells or (well != self.wells[-1][1]).any():
                self.wells.append((time.monotonic(), well))
            await asyncio.sleep(_LOOK_S)

    def _well(self):
        """bool[tag]: delivered by a source that is up, and fresh."""
        fresh = self._freshness.states(time.time_ns()) == Freshness.FRESH
        return fresh & self.health.up

    async def until_well(self, tags, after, within):
        """The moment from which on these tags were well for good since `after`; None if never."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            moment = self.well_since(tags, after)
            if moment is not None and time.monotonic() - moment > 1.0:
                return moment
            await asyncio.sleep(_LOOK_S)
        return None

    def well_since(self, tags, after):
        """As above, without waiting; each must have brought a good sample after `after`, too."""
        heard = [self._first_good(tag, after) for tag in range(tags)]
        if None in heard:
            return None
        moment = max(heard)
        for at, well in self.wells:
            if not well[:tags].all():
                moment = None
            elif moment is None or at <= moment:
                moment = max(at, *heard)
        return moment

    def _first_good(self, tag, after):
        for at, batch in self.samples:
            if at > after and ((batch.tag == tag) & (batch.quality == Quality.GOOD)).any():
                return at
        return None

    def noticed(self, after):
        """The first moment since `after` at which not all was well; None if it always was."""
        return next((at for at, well in self.wells if at >= after and not well.all()), None)

    def good(self, first, last):
        """Columns tag, at, value of the good samples that came between two moments."""
        batches = [batch for at, batch in self.samples if first <= at <= last]
        goods = [batch.quality == Quality.GOOD for batch in batches]
        return tuple(
            np.concatenate(
                [getattr(b, name)[g] for b, g in zip(batches, goods, strict=True)] or [[]]
            )
            for name in ("tag", "at", "value")
        )
