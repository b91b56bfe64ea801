"""What is read over one connection: what the server sends, and what it has to be asked for.

Promises
- One batch for each publish response and each read, in the order of arrival.
- A tag that was silent for one and a half of its periods is read. What the server answers is the
  sample, with the server's idea of now as its time: a value that stands still is confirmed, a
  node that is gone is bad. After opening, every tag is read once, however old its last change.
- Polled tags are read on an absolute schedule.
- What cannot be monitored is tried again with growing pauses.
- SourceLost as soon as the connection breaks, the server ends a subscription, a read is not
  answered in time, or publish responses and keep-alives stay away; sooner than that where a server
  that owes an answer says nothing at all.
- If nobody takes the batches, the oldest are dropped and counted.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from connectors.opcua.client import ReadOnlyClient
from connectors.opcua.columns import Columns, is_good, nothing, seconds
from connectors.opcua.monitoring import Monitoring
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.publishing import Publishing
from connectors.opcua.rounds import Rounds
from connectors.opcua.server_clock import ServerClock
from gateway.api.contracts import SourceLost
from gateway.api.model import SECOND, Floats, Indices, Nanos, SampleBatch, Times

log = logging.getLogger(__name__)
_MOST_BATCHES = 1000
_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 300.0
_UNKNOWN = frozenset(("BadNodeIdUnknown", "BadNodeIdInvalid"))
_CLOCK = "i=2258"
"""Every server's own time."""
_MUTE = 0.6
"""A server that owes an answer and publishes is slow. One that does neither for this part of the
time-out is gone, or has forgotten the connection."""
_ALIVE_S = 10.0
"""A server that nothing else is asked of is asked for its time this often."""


class Session:
    """Call `start` once, then run `run` beside `batches`."""

    def __init__(
        self, name: str, options: OpcUaOptions, columns: Columns, monitoring: Monitoring
    ) -> None:
        self._name, self._options, self._columns = name, options, columns
        self._monitoring = monitoring
        tags = list(options.tags.values())
        silences = [options.silence_of(tag) / SECOND for tag in tags]
        self._periods = [options.period_of(tag) for tag in tags]
        self._silence: Floats = np.array(silences, dtype=np.float64)
        self._heard: Floats = np.full(len(silences), -np.inf)
        # Before the first poll of a tag it is not known when it changed.
        self._polled_at: Times = np.full(len(silences), np.iinfo(np.int64).max)
        self._tick = min(1.0, max(0.05, min(silences) / 3))
        self._rounds = Rounds((), (), 0)
        self._ready: deque[SampleBatch] = deque()
        self._news, self._is_subscribed = asyncio.Event(), asyncio.Event()
        self._failure: Exception | None = None
        self._is_confirmed = self._is_owed = False
        self._dropped, self._clock = 0, ServerClock()
        self._asked_at, self._retry_at, self._retry_pause = 0.0, 0.0, _FIRST_RETRY_S

    async def start(self, client: ReadOnlyClient, *, has_resumed: bool) -> None:
        """Have the server watch what it lets us, or go on where another connection broke."""
        self._client = client
        self._publishing = Publishing(
            client, self._monitoring.subscriptions, self._take_now, self._lose
        )
        if has_resumed:
            # What stands in the server's queues comes first, and is not overtaken by a reading.
            await self._publishing.catch_up()
            self._heard[:], self._is_confirmed = time.monotonic(), True
        else:
            await self._monitoring.extend(client)
            self._retry_at = time.monotonic() + self._retry_pause
        self._plan()

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the server is gone, after all that it had sent."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._ready:
                yield self._ready.popleft()
            if self._failure is not None:
                raise self._failure

    async def run(self) -> None:
        """Take what is sent and ask for the rest until something is wrong; `batches` raises it."""
        works = (self._heart, self._publish, self._listen)
        await asyncio.gather(*map(self._heard_of, works))

    def lost(self, why: str) -> None:
        """The connection is gone."""
        self._fail(SourceLost(why))

    async def _heard_of(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ExceptionGroup as group:
            self._fail(group.exceptions[0])
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader must hear of it
            self._fail(error)

    async def _publish(self) -> None:
        # The first subscription may come late: with the first node that is there.
        await self._is_subscribed.wait()
        await self._publishing.run()

    async def _heart(self) -> None:
        while True:
            await self._beat(time.monotonic())
            wait = self._rounds.wait(time.monotonic_ns())
            await asyncio.sleep(self._tick if wait is None else min(self._tick, wait / SECOND))

    async def _listen(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            published = [each.heard for each in self._monitoring.subscriptions.values()]
            silence = time.monotonic() - max(self._asked_at, self._client.answered_at, *published)
            if self._is_owed and silence > _MUTE * self._options.timeout / SECOND:
                self._client.give_up()
                raise SourceLost(f"the server owes an answer and was silent for {silence:.0f} s")

    async def _beat(self, now: float) -> None:
        for subscription in self._monitoring.subscriptions.values():
            allowance = subscription.granted.keep_alive_s + self._options.timeout / SECOND
            if now - subscription.heard > allowance:
                raise SourceLost(f"no sign of the subscription for {allowance:.0f} s")
        if not self._monitoring.is_complete and now >= self._retry_at:
            await self._try_again(now)
        await self._poll(time.monotonic_ns())
        await self._confirm(now)
        if not self._monitoring.subscriptions and now - self._asked_at > _ALIVE_S:
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
        self._rounds = Rounds(polled, periods, time.monotonic_ns())
        if self._monitoring.subscriptions:
            self._is_subscribed.set()

    async def _poll(self, now: Nanos) -> None:
        is_first = self._rounds.missed == 0
        due = self._rounds.due(now)
        if self._rounds.missed and is_first:
            log.warning("%s: the server cannot be polled as often as asked", self._name)
        if not len(due):
            return
        known, data, at = await self._ask(due)
        times = self._columns.poll_times(data, at, self._polled_at[known])
        self._polled_at[due] = at
        self._put(self._columns.readings(known, data, times))

    async def _confirm(self, now: float) -> None:
        due = np.flatnonzero(now - self._heard > self._silence).astype(np.int32)
        if not len(due):
            return
        known, data, at = await self._ask(due)
        self._heard[due], self._is_confirmed = time.monotonic(), True
        self._put(self._columns.readings(known, data, np.full(len(known), at, dtype=np.int64)))
        self._note_vanished(known, data)

    async def _ask(self, due: Indices) -> tuple[Indices, Sequence[Any], Nanos]:
        """Of these, the tags that have a node, what the server has of them, and its time."""
        nodes = [self._monitoring.nodes[index] for index in due]
        is_known = np.array([node is not None for node in nodes])
        data = await self._read([node for node in nodes if node is not None])
        at = self._clock.at(time.time_ns())
        if not is_known.all():
            self._put(nothing(due[~is_known], at))
        return due[is_known], data, at

    async def _read(self, nodes: Sequence[str]) -> Sequence[Any]:
        """These, and the server's clock with them where no subscription tells it."""
        self._asked_at = time.monotonic()
        if self._monitoring.subscriptions:
            self._is_owed = True
            data = await self._client.read(nodes)
            self._is_owed = False
            return data
        *data, clock = await self._client.read([*nodes, _CLOCK])
        moment = None if clock.Value is None else clock.Value.Value
        self._note_clock(seconds(moment), time.time_ns())
        return data

    def _note_vanished(self, read: Indices, data: Sequence[Any]) -> None:
        # A server drops the monitored items of a node that it deletes, and does not say so.
        for index, each in zip(read.tolist(), data, strict=True):
            if not is_good(each) and each.StatusCode.name in _UNKNOWN:
                self._monitoring.unmonitored.add(index)

    def _take_now(self, message: Any) -> None:
        self._take(message, time.time_ns())

    def _take(self, message: Any, arrived: Nanos) -> None:
        self._note_clock(seconds(message.PublishTime), arrived)
        for part in message.NotificationData or ():
            if hasattr(part, "MonitoredItems"):
                batch = self._columns.changes(part.MonitoredItems, arrived)
                if self._is_confirmed:
                    self._heard[batch.tag] = time.monotonic()
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
        self._news.set()

    def _fail(self, why: Exception) -> None:
        self._failure = self._failure or why
        self._news.set()
