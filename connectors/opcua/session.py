"""Reads over one connection: notifications, confirming reads and polls.

Promises
- One batch for each publish response and each read, in the order of arrival.
- A tag that was silent for one and a half of its periods is read. The response is the sample, with
  the server's current time: a constant value is confirmed, a node that is gone is bad. After
  opening, every tag is read once, however old its last change.
- Polled tags are read on an absolute schedule.
- A tag that cannot be monitored is tried again with growing pauses.
- SourceLost as soon as the connection breaks, the server ends a subscription, a read times out, or
  publish responses and keep-alives stop; sooner if the server sends nothing at all while a response
  is pending.
- If the batches are not consumed, the oldest are dropped and counted.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import structlog

from connectors.opcua.client import OpcUaReadOnlyClient
from connectors.opcua.columns import OpcUaColumns, bad_batch, is_good, seconds
from connectors.opcua.diagnostics import Diagnostics
from connectors.opcua.items import Target
from connectors.opcua.monitoring import Monitoring
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.poll_schedule import PollSchedule
from connectors.opcua.publishing import Publishing
from connectors.opcua.server_clock import ServerClock
from connectors.opcua.statuses import name_of
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Floats, Indices, Nanos, SampleBatch, Times

log = structlog.get_logger()
_MOST_BATCHES = 1000
_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 300.0
_UNKNOWN = frozenset(("BadNodeIdUnknown", "BadNodeIdInvalid"))
_CLOCK = Target("i=2258")
"""The node of the server's current time."""
_SILENT_PART = 0.6
"""A server that still publishes while a response is pending is slow. One that sends nothing for
this part of the time-out is gone, or has dropped the connection."""
_ALIVE_S = 10.0
"""How often the server's time is read when there is no other request."""


class OpcUaSession:
    """Call `start` once, then run `run` beside `batches`."""

    def __init__(
        self,
        name: str,
        options: OpcUaOptions,
        columns: OpcUaColumns,
        monitoring: Monitoring,
        diagnostics: Diagnostics,
    ) -> None:
        self._name, self._options, self._columns = name, options, columns
        self._monitoring, self._diagnostics = monitoring, diagnostics
        tags = list(options.tags.values())
        silences = [options.max_silence_of(tag) / SECOND for tag in tags]
        self._periods = [options.period_of(tag) for tag in tags]
        self._silence: Floats = np.array(silences, dtype=np.float64)
        self._last_seen: Floats = np.full(len(silences), -np.inf)
        # Before the first poll of a tag the time of its last change is unknown.
        self._polled_at: Times = np.full(len(silences), np.iinfo(np.int64).max)
        self._tick = min(1.0, max(0.05, min(silences) / 3))
        self._polls = PollSchedule((), (), 0)
        self._ready: deque[SampleBatch] = deque()
        self._wake, self._is_subscribed = asyncio.Event(), asyncio.Event()
        self._failure: Exception | None = None
        self._is_confirmed = self._is_waiting = False
        self._dropped, self._clock = 0, ServerClock()
        self._requested_at, self._retry_at, self._retry_pause = 0.0, 0.0, _FIRST_RETRY_S

    async def start(self, client: OpcUaReadOnlyClient, *, has_resumed: bool) -> None:
        """Monitors the tags, or continues the subscriptions of a connection that broke."""
        self._client = client
        self._publishing = Publishing(
            client, self._monitoring.subscriptions, self._take_now, self._lose
        )
        if has_resumed:
            # Queued changes come first and must not be overtaken by a read.
            await self._publishing.catch_up()
            self._last_seen[:], self._is_confirmed = time.monotonic(), True
        else:
            await self._monitoring.extend(client)
            self._retry_at = time.monotonic() + self._retry_pause
        self._plan()

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Yields forever; SourceLost when the server is gone, after all batches received."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                yield self._ready.popleft()
            if self._failure is not None:
                raise self._failure

    async def run(self) -> None:
        """Publishes, polls and checks until something fails; `batches` raises the failure."""
        works = (self._run_checks, self._publish, self._watch_silence)
        await asyncio.gather(*map(self._reporting_failure, works))

    def lost(self, why: str) -> None:
        """Ends the session: the connection is gone."""
        self._fail(SourceLost(why))

    async def _reporting_failure(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ExceptionGroup as group:
            self._fail(group.exceptions[0])
        except Exception as error:  # noqa: BLE001 - the reader must get any error
            self._fail(error)

    async def _publish(self) -> None:
        # The first subscription may come late: with the first node that exists.
        await self._is_subscribed.wait()
        await self._publishing.run()

    async def _run_checks(self) -> None:
        while True:
            await self._check(time.monotonic())
            wait = self._polls.wait(time.monotonic_ns())
            await asyncio.sleep(self._tick if wait is None else min(self._tick, wait / SECOND))

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            published = [each.last_seen for each in self._monitoring.subscriptions.values()]
            silence = time.monotonic() - max(
                self._requested_at, self._client.responded_at, *published
            )
            if self._is_waiting and silence > _SILENT_PART * self._options.timeout / SECOND:
                self._client.abandon()
                raise SourceLost(
                    f"a response is pending and the server sent nothing for {silence:.0f} s"
                )

    async def _check(self, now: float) -> None:
        for subscription in self._monitoring.subscriptions.values():
            allowance = subscription.granted.keep_alive_s + self._options.timeout / SECOND
            if now - subscription.last_seen > allowance:
                raise SourceLost(f"nothing from the subscription for {allowance:.0f} s")
        if not self._monitoring.is_complete and now >= self._retry_at:
            await self._try_again(now)
        await self._poll(time.monotonic_ns())
        await self._confirm(now)
        if not self._monitoring.subscriptions and now - self._requested_at > _ALIVE_S:
            await self._read([])

    async def _try_again(self, now: float) -> None:
        await self._monitoring.extend(self._client)
        self._plan()
        self._retry_pause = min(2 * self._retry_pause, _LAST_RETRY_S)
        self._retry_at = now + self._retry_pause

    def _plan(self) -> None:
        polled = sorted(self._monitoring.polled)
        self._silence[polled] = np.inf
        periods = [self._periods[index] for index in polled]
        self._polls = PollSchedule(polled, periods, time.monotonic_ns())
        self._columns.ranged = self._monitoring.ranged
        if self._monitoring.subscriptions:
            self._is_subscribed.set()

    async def _poll(self, now: Nanos) -> None:
        is_first = self._polls.missed == 0
        due = self._polls.due(now)
        if self._polls.missed and is_first:
            log.warning("opcua.polls_missed", source=self._name)
        if not len(due):
            return
        known, data, at = await self._read_tags(due)
        times = self._columns.poll_times(data, at, self._polled_at[known])
        self._polled_at[due] = at
        self._put(self._columns.read_batch(known, data, times))
        self._note_vanished(known, data)

    async def _confirm(self, now: float) -> None:
        due = np.flatnonzero(now - self._last_seen > self._silence).astype(np.int32)
        if not len(due):
            return
        known, data, at = await self._read_tags(due)
        self._last_seen[due], self._is_confirmed = time.monotonic(), True
        self._put(self._columns.read_batch(known, data, np.full(len(known), at, dtype=np.int64)))
        self._note_vanished(known, data)

    async def _read_tags(self, due: Indices) -> tuple[Indices, Sequence[Any], Nanos]:
        """The tags among these that have a node, their values, and the server's time."""
        targets = [self._monitoring.targets[index] for index in due]
        is_known = np.array([target is not None for target in targets])
        known = [target for target in targets if target is not None]
        once = list(dict.fromkeys(known))
        values = dict(zip(once, await self._read(once), strict=True))
        at = self._clock.at(time.time_ns())
        if not is_known.all():
            self._put(bad_batch(due[~is_known], at, self._monitoring.reasons))
        return due[is_known], [values[target] for target in known], at

    async def _read(self, targets: Sequence[Target]) -> Sequence[Any]:
        """Reads values, and the server's clock too if there is no subscription to tell it."""
        self._requested_at = time.monotonic()
        if self._monitoring.subscriptions:
            self._is_waiting = True
            data = await self._client.read(targets)
            self._is_waiting = False
            return data
        *data, clock = await self._client.read([*targets, _CLOCK])
        moment = None if clock.Value is None else clock.Value.Value
        self._note_clock(seconds(moment), time.time_ns())
        return data

    def _note_vanished(self, read: Indices, data: Sequence[Any]) -> None:
        # A server silently drops the monitored items of a node that it deletes.
        gone = [
            index
            for index, each in zip(read.tolist(), data, strict=True)
            if not is_good(each) and name_of(each.StatusCode) in _UNKNOWN
        ]
        if gone:
            self._monitoring.forget(gone)

    def _take_now(self, message: Any) -> None:
        self._take(message, time.time_ns())

    def _take(self, message: Any, arrived: Nanos) -> None:
        self._note_clock(seconds(message.PublishTime), arrived)
        for part in message.NotificationData or ():
            if hasattr(part, "MonitoredItems"):
                sharing = self._monitoring.sharing
                batch = self._columns.changes(part.MonitoredItems, arrived, sharing)
                if self._is_confirmed:
                    self._last_seen[batch.tag] = time.monotonic()
                self._put(batch)
            elif hasattr(part, "Status"):
                raise SourceLost(f"the server ended the subscription ({part.Status.name})")

    def _note_clock(self, sent: float, arrived: Nanos) -> None:
        if self._options.timestamp != "receive":
            self._clock.note(sent, arrived)

    def _lose(self, count: int) -> None:
        self._dropped += count

    def _put(self, batch: SampleBatch) -> None:
        if len(self._ready) >= _MOST_BATCHES:
            oldest = self._ready.popleft()
            self._dropped += len(oldest) + oldest.lost
        if self._dropped:
            batch, self._dropped = replace(batch, lost=batch.lost + self._dropped), 0
        self._ready.append(batch)
        self._diagnostics.note_accepted(batch.tag.tolist(), self._columns.accepted)
        self._wake.set()

    def _fail(self, why: Exception) -> None:
        self._failure = self._failure or why
        self._wake.set()
