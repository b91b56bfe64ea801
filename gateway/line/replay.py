"""Runs recorded samples through a line: the code that runs live, with the recorded clock.

Promises
- The aligner, detectors, alarm machines, summaries and encoding are those of
  `gateway.line.line`: nothing is done again here.
- The same line file and the same recording give the same points, to the byte.
- Nothing is sent, and the line's own state is neither read nor written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gateway.api.contracts import Detector
from gateway.api.model import Envelope, Kind, Loss, Nanos, SampleBatch
from gateway.config.load import LineConfig
from gateway.core.alarms.journal import JournalEntry
from gateway.core.align import Memory
from gateway.line.line import Line

Arrivals = Iterable[tuple[Nanos, SampleBatch | None]]
"""When the line looked, and what had arrived; the line's tag indices."""


class _Store:
    """A store for replays: hands points on and keeps the alarms' state for the next run.

    The gateway's own points are left out: they speak of a process, not of the plant.
    """

    def __init__(self, take: Callable[[Envelope], None]) -> None:
        self._take = take
        self._states: dict[str, bytes] = {}

    async def append(
        self,
        envelopes: Sequence[Envelope],
        checkpoint: Mapping[str, bytes] | None = None,
        journal: Sequence[JournalEntry] = (),  # noqa: ARG002 - a replay keeps none
    ) -> None:
        for envelope in envelopes:
            if envelope.kind is not Kind.GATEWAY:
                self._take(envelope)
        self._states |= checkpoint or {}

    async def load_checkpoint(self, name: str) -> bytes | None:
        return self._states.get(name)

    def note(self, loss: Loss) -> None:
        raise AssertionError(f"nothing is refused here, and yet there is {loss}")


class Replay:
    """A line that is played one run after the other, as it was started and stopped.

    `take` gets every alert and summary in the order in which the buffer would.
    """

    def __init__(
        self,
        config: LineConfig,
        detectors: Mapping[str, Detector],
        take: Callable[[Envelope], None],
    ) -> None:
        self._config, self._detectors = config, detectors
        self._store = _Store(take)
        self.ticks = 0
        """Ticks of the line, and the samples it took in."""
        self.samples = 0
        self._memory: Memory = {}
        self._now: Nanos = 0

    async def play(self, started: Nanos, arrivals: Arrivals) -> None:
        """One run of the daemon, from its start, with a tick at each of its ticks."""
        line = await self._started(started)
        for now, batch in arrivals:
            await self._tick(line, now, batch)
        self._memory = line.memory()

    async def play_samples(
        self,
        start: Nanos,
        samples: SampleBatch,
        until: Nanos,
        progress: Callable[[Nanos], None] = lambda _: None,
    ) -> None:
        """Samples in the order of their time that arrive at just that time, from `start` on.

        The line ticks as often as it does live, the last time when the last window before `until`
        closes; `progress` gets the time of each tick.
        """
        # So that the window which ends at the start, with the first sample, is seen.
        now = start - 1
        line = await self._started(now)
        given = 0
        while (now := line.next_tick(now)) < until + self._config.file.timing.lateness:
            upto = int(np.searchsorted(samples.at, now, side="right"))
            batch = samples.rows(slice(given, upto)) if upto > given else None
            await self._tick(line, now, batch)
            given = upto
            progress(now)

    async def _started(self, now: Nanos) -> Line:
        """A line with the alarms and the windows that the last one left."""
        self._now = now
        line = Line(
            self._config,
            self._detectors,
            self._store,
            now,
            clock=lambda: self._now,
            in_thread=False,
        )
        await line.restore()
        line.recall(self._memory)
        return line

    async def _tick(self, line: Line, now: Nanos, batch: SampleBatch | None) -> None:
        self._now = now
        self.ticks += 1
        if batch is not None:
            self.samples += len(batch)
            line.inbox.put(batch, 0)
        await line.tick(now)
