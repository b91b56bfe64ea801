"""Delivers points from the buffer to the sinks, with one loop per sink.

Promises
- Alerts go first and alone; an alert that arrives while the sink is idle is sent at once, summaries
  are gathered for up to a second. An alert that arrives while summaries are being sent waits for
  them: a batch is as large as the link carries in a second, and never larger than `MAX_BYTES`.
- Nothing is acknowledged before the sink took it. Failed batches are sent again, the same bytes.
- While a sink is away it is tried at least every 5 s, so the first alert is sent within 5 s of the
  link's return. It is tried less often only if the server asks for a longer wait, or if a human
  must fix the fault.
- A byte budget (core/byte_budget.py) limits clips and summaries, never alerts: when it is spent
  they wait for the next full hour, and a backlog that would not fit into that either is merged.
- The connection that a sink keeps is tried while it is idle, so that its loss shows before an alert
  needs it.
- A sink that keeps points and sends them later is asked for that when it says so.
- Points that a sink will never take become dead letters; later points are still sent.
- A sink that goes away is logged once, again when a human must help for another reason, and once
  when it is back.
  Refused points are logged once for each class and reason, and when the class is accepted again.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from gateway.api.cancellation import heed_cancellation
from gateway.api.contracts import (
    HasDiagnostics,
    HasMemory,
    KeepsConnection,
    Local,
    SendsLater,
    Sink,
    SinkRejected,
    SinkUnavailable,
)
from gateway.api.going_on import reporting_to
from gateway.api.masking import mask
from gateway.api.model import Envelope, Kind, Nanos
from gateway.api.wording import counted
from gateway.buffer.errors import BufferRefused
from gateway.core.byte_budget import Budget
from gateway.core.wait_limits import SENDING_S
from gateway.delivery.pace import Pace
from gateway.delivery.tally import Tally
from gateway.telemetry.heartbeats import Part

log = structlog.get_logger()

LINGER_S = 1.0
"""Summaries that are stored within this time of each other are sent together."""
MAX_BYTES = 2 * 2**20
LATER_S = 60.0
"""How often a sink is asked at least whether what it keeps is due: the clock may have been set."""
MERGE_S = 10.0
"""How often a part of a backlog beyond the budget is merged."""


class LeasesPoints(Protocol):
    """The buffer, as a forwarder uses it."""

    async def lease(
        self, sink: str, limit_rows: int, limit_bytes: int, *, lowest: Kind = ...
    ) -> Sequence[Envelope]: ...

    async def ack(
        self, sink: str, envelopes: Sequence[Envelope], checkpoint: Mapping[str, bytes] = ...
    ) -> None: ...

    async def load_checkpoint(self, name: str) -> bytes | None: ...

    async def reject(self, sink: str, envelopes: Sequence[Envelope], why: str) -> None: ...

    async def wait_for_news(self, sink: str) -> frozenset[Kind]: ...

    async def stats(self) -> Mapping[str, object]: ...

    async def merge(self) -> bool: ...


class Forwarder:
    """The delivery loop of one open sink. `run` never returns."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        buffer: LeasesPoints,
        *,
        budget: Budget | None = None,
        pace: Pace | None = None,
        clock: Callable[[], Nanos] = time.time_ns,
        timer: Callable[[], float] = time.monotonic,
        linger: float = LINGER_S,
        part: Part | None = None,
        limit: float = SENDING_S,
    ) -> None:
        self.name, self.tally = name, Tally()
        self._sink, self._buffer = sink, buffer
        self._budget, self._pace = budget or Budget(), pace or Pace()
        self._clock, self._timer, self._linger = clock, timer, linger
        self.part, self._limit = part or Part(f"sink {name}"), limit
        """It may send for `limit` s without progress."""
        self._seen: float | None = None
        """When the sink last responded, on the timer."""
        self._remembered = b""

    @property
    def up(self) -> bool:
        """Whether the sink took the last batch, or has not been tried yet."""
        return self.tally.up

    @property
    def error(self) -> str:
        """The sink's last error while it is away."""
        return self.tally.error

    @property
    def sent_bytes(self) -> int:
        """Bytes sent to the sink, failed requests included."""
        return self.tally.sent_bytes

    @property
    def is_local(self) -> bool:
        """Whether the sink keeps everything on this machine."""
        return isinstance(self._sink, Local) and self._sink.is_local

    @property
    def clip_bytes(self) -> int:
        """Bytes sent to the sink that were raw samples of clips."""
        return self.tally.clip_bytes

    def facts(self) -> Mapping[str, object]:
        """The state of this delivery as plain values."""
        tally = self.tally
        return {
            "name": self.name,
            "up": tally.up,
            "error": tally.error,
            "needs_human": tally.needs_human,
            "sent": {kind.name.lower(): count for kind, count in tally.sent.items()},
            "sent_bytes": tally.sent_bytes,
            "clip_bytes": tally.clip_bytes,
            "is_local": self.is_local,
            "rejected": tally.rejected,
            "failures": tally.failures,
            "retries": tally.retries,
            "last_success_at": tally.last_success_at,
            "budget": self._budget.per_hour,
            "spent": self._budget.spent(self._clock()),
            "diagnostics": self._diagnostics(),
        }

    def _diagnostics(self) -> list[str]:
        sink = self._sink
        return [mask(each) for each in sink.diagnostics] if isinstance(sink, HasDiagnostics) else []

    async def restore(self) -> None:
        """Restores this hour's spending, and what the sink remembers, from the last run."""
        state = await self._buffer.load_checkpoint(self._state)
        if state is not None:
            self._budget.restore(state)
        if isinstance(self._sink, HasMemory):
            memory = await self._buffer.load_checkpoint(self._memory)
            if memory is not None:
                self._sink.restore(memory)
            self._remembered = self._sink.checkpoint()

    @property
    def _state(self) -> str:
        return f"#budget.{self.name}"

    def _spending(self) -> dict[str, bytes]:
        """The checkpoint of the budget; empty without a budget."""
        return {} if self._budget.per_hour is None else {self._state: self._budget.checkpoint()}

    @property
    def _memory(self) -> str:
        return f"#sink.{self.name}"

    def _changed_memory(self) -> dict[str, bytes]:
        """The checkpoint of what the sink remembers; empty if it is stored already."""
        if not isinstance(self._sink, HasMemory):
            return {}
        now = self._sink.checkpoint()
        return {} if now == self._remembered else {self._memory: now}

    async def _ack(self, batch: Sequence[Envelope], spending: Mapping[str, bytes]) -> None:
        memory = self._changed_memory()
        if batch or spending or memory:
            await self._buffer.ack(self.name, batch, {**spending, **memory})
        self._remembered = memory.get(self._memory, self._remembered)

    async def run(self) -> None:
        """Delivers the buffer's points to this sink, forever."""
        is_refused = False
        while True:
            try:
                await self._step()
            except BufferRefused as refused:
                # Points that were sent but not acknowledged are sent again, which is harmless.
                if not is_refused:
                    log.warning("sink.buffer_refused", sink=self.name, why=str(refused))
                is_refused = True
                await asyncio.sleep(1.0)
            except Exception as error:
                # The supervisor logs it and restarts this loop.
                if self.tally.up:
                    self.part.fail(mask(f"{type(error).__name__}: {error}"))
                raise
            else:
                is_refused = False

    async def _step(self) -> None:
        # Without a limit: the buffer has its own.
        self.part.does("waiting for points")
        now = self._clock()
        lowest, size = self._budget.lowest(now), self._budget.room(now, MAX_BYTES) or MAX_BYTES
        batch = await self._buffer.lease(self.name, self._pace.rows, size, lowest=lowest)
        self.part.beat()
        if batch:
            await self._deliver(batch)
            if self.tally.up:
                # Points that keep coming must not hold up what is due.
                await self._send_due()
        elif lowest is Kind.ALERT:
            await self._wait_for_room()
        else:
            await self._wait_for_work(lowest)

    async def _wait_for_room(self) -> None:
        """Waits until the next full hour, or an alert, for which there is always room."""
        waiting = (await self._buffer.stats())["bytes_without_clips"]
        if self._budget.is_beyond(int(str(waiting))):
            await self._buffer.merge()
        await self._wait_for_alert(min(self._budget.renewed_in(self._clock()), MERGE_S))

    async def _wait_for_work(self, lowest: Kind) -> None:
        # Clips that exceed the budget are sent in the next hour, even if no news arrive.
        renewed = None if lowest is Kind.CLIP else self._budget.renewed_in(self._clock())
        waits = [w for w in (renewed, self._ping_in(), self._due_in()) if w is not None]
        try:
            async with asyncio.timeout(min(waits, default=None)):
                news = await self._buffer.wait_for_news(self.name)
        except TimeoutError:
            await self._ping()
            await self._send_due()
            return
        if Kind.ALERT not in news:
            await self._wait_for_alert(self._linger)

    def _ping_in(self) -> float | None:
        """The seconds until the idle sink is to be tried; None if it keeps no connection."""
        if not isinstance(self._sink, KeepsConnection):
            return None
        idle = None if self._seen is None else self._timer() - self._seen
        return 0.0 if idle is None else max(0.0, self._sink.ping_every - idle)

    async def _ping(self) -> None:
        if self._ping_in() != 0.0 or not isinstance(self._sink, KeepsConnection):
            return
        try:
            with self._busy("waiting for the server's answer"):
                await self._sink.ping()
        except SinkUnavailable as error:
            await self._back_off(error)
        except Exception as error:
            self._note_bug(error)
            raise
        else:
            heed_cancellation()
            self._pace.after_success(0, 0.0)
            self._note_back()
            await self._ack((), {})

    def _due_in(self) -> float | None:
        """The seconds until the sink is to send what it keeps; None if it keeps nothing."""
        due = self._sink.due_in if isinstance(self._sink, SendsLater) else None
        return None if due is None else min(due, LATER_S)

    async def _send_due(self) -> None:
        sink = self._sink
        if not isinstance(sink, SendsLater) or sink.due_in != 0.0:
            return
        try:
            with self._busy("sending what was kept"):
                self.tally.sent_bytes += await sink.send_due()
        except SinkUnavailable as error:
            await self._back_off(error)
        except Exception as error:
            self._note_bug(error)
            raise
        else:
            heed_cancellation()
            self._note_back()

    async def _wait_for_alert(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while Kind.ALERT not in await self._buffer.wait_for_news(self.name):
                    pass

    async def _deliver(self, batch: Sequence[Envelope]) -> None:
        began = self._timer()
        try:
            with self._busy(f"sending {counted(len(batch), 'point')}"):
                sent = await self._sink.write(batch)
            self._count(sent, batch)
        except SinkUnavailable as error:
            self._count(error.sent_bytes, batch)
            await self._back_off(error)
        except SinkRejected as error:
            self._count(error.sent_bytes, batch)
            await self._reject(batch, error, self._timer() - began)
        except Exception as error:
            self._note_bug(error)
            raise
        else:
            self._pace.after_success(len(batch), self._timer() - began)
            for kind in self.tally.note_accepted(batch):
                log.info("sink.accepts_again", sink=self.name, points=kind.name.lower())
            await self._arrived(batch)

    @contextlib.contextmanager
    def _busy(self, what: str) -> Iterator[None]:
        """The sink does something, which may take long if it reports progress."""
        with self.part.during(what, self._limit), reporting_to(self.part.progress):
            yield

    def _note_bug(self, error: Exception) -> None:
        self.tally.note_failure(f"{type(error).__name__}: {error}", self._clock())

    def _count(self, sent: int, batch: Sequence[Envelope]) -> None:
        self.tally.sent_bytes += sent
        # A batch has points of one lane, and clips have a lane of their own.
        self.tally.clip_bytes += sent if batch[0].kind is Kind.CLIP else 0
        self._budget.spend(sent, sum(len(envelope.body) for envelope in batch), self._clock())

    async def _arrived(self, batch: Sequence[Envelope]) -> None:
        self._note_back()
        await self._ack(batch, self._spending())
        self.tally.note_sent(batch, self._clock())

    def _note_back(self) -> None:
        self._seen = self._timer()
        away = self.tally.note_answer(self._clock())
        if away is not None:
            log.info("sink.back", sink=self.name, away_s=away)

    async def _back_off(self, error: SinkUnavailable) -> None:
        human = error.needs_human
        if self.tally.note_failure(str(error), self._clock(), needs_human=human):
            level = log.error if human else log.warning
            level("sink.away", sink=self.name, why=str(error), needs_human=human)
        await self._ack((), self._spending() if error.sent_bytes else {})
        heed_cancellation()
        with self.part.during("waiting to try again"):
            await asyncio.sleep(self._pace.after_failure(error))

    async def _reject(self, batch: Sequence[Envelope], error: SinkRejected, took: float) -> None:
        which = set(error.which)
        rejected = [envelope for number, envelope in enumerate(batch) if number in which]
        if self.tally.note_rejected(rejected, str(error)):
            log.error("sink.rejected", sink=self.name, points=len(rejected), why=str(error))
        await self._buffer.reject(self.name, rejected, str(error))
        await self._arrived([e for number, e in enumerate(batch) if number not in which])
        self._pace.after_rejection(took)
