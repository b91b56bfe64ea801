"""One subscription and its heartbeat, on one connection.

Promises
- One batch for each publish response, in the order of arrival.
- A tag that was silent for one and a half of its periods is read. What the server answers is the
  sample, with the server's idea of now as its time: a value that stands still is confirmed, a
  node that is gone is bad. After opening, every tag is read once, however old its last change.
- A node that cannot be monitored is read all the same; monitoring is tried again with growing
  pauses. Its neighbours do not notice.
- SourceLost as soon as the connection breaks, the server ends the subscription, a read is not
  answered in time, or publish responses and keep-alives stay away.
- If nobody takes the batches, the oldest are dropped and counted.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from connectors.opcua.client import Item, ReadOnlyClient, Revised
from connectors.opcua.columns import Columns, is_good, nothing, seconds
from connectors.opcua.options import OpcUaOptions
from gateway.contracts import SourceLost
from gateway.model import SECOND, Floats, Indices, Nanos, SampleBatch

log = logging.getLogger(__name__)
_MOST_BATCHES = 1000
_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 300.0
_UNKNOWN = frozenset(("BadNodeIdUnknown", "BadNodeIdInvalid"))


class Session:
    """Call `start` once, then run `heartbeat` beside `batches`.

    `faults` says by tag index why a node is not monitored; it outlives the session, so that a
    change is logged and a repetition is not.
    """

    def __init__(
        self, name: str, options: OpcUaOptions, columns: Columns, faults: dict[int, str]
    ) -> None:
        self._name, self._options, self._columns, self._faults = name, options, columns, faults
        self._tags = list(options.tags.values())
        self._names = [tag.name_of_node for tag in self._tags]
        self._nodes: list[str | None] = [None] * len(self._tags)
        self._unmonitored = set(range(len(self._tags)))
        silences = [options.silence_of(tag) / SECOND for tag in self._tags]
        self._silence: Floats = np.array(silences, dtype=np.float64)
        self._heard: Floats = np.full(len(silences), -np.inf)
        self._tick = min(1.0, max(0.05, min(silences) / 3))
        self._ready: deque[SampleBatch] = deque()
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._is_confirmed = False
        self._dropped, self._server_ahead = 0, 0
        self._published_at, self._allowance = 0.0, 0.0
        self._retry_at, self._retry_pause = 0.0, _FIRST_RETRY_S

    async def start(self, client: ReadOnlyClient) -> None:
        """Subscribe to whatever the server lets us."""
        self._client = client
        interval_ms = self._options.publishing_interval / 1e6
        keep_alive = await client.subscribe(interval_ms, self._published)
        self._allowance = keep_alive + self._options.timeout / SECOND
        self._published_at = time.monotonic()
        await self._monitor()
        self._retry_at = time.monotonic() + self._retry_pause

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the server is gone, after all that it had sent."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._ready:
                yield self._ready.popleft()
            if self._failure is not None:
                raise self._failure

    async def heartbeat(self) -> None:
        """Ask what is silent, until something is wrong; `batches` then raises it."""
        try:
            while True:
                await self._beat(time.monotonic())
                await asyncio.sleep(self._tick)
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader must hear of it
            self._fail(error)

    def lost(self, why: str) -> None:
        """The connection is gone."""
        self._fail(SourceLost(why))

    async def _beat(self, now: float) -> None:
        if now - self._published_at > self._allowance:
            raise SourceLost(f"no sign of the subscription for {self._allowance:.0f} s")
        if self._unmonitored and now >= self._retry_at:
            await self._monitor()
            self._retry_pause = min(2 * self._retry_pause, _LAST_RETRY_S)
            self._retry_at = now + self._retry_pause
        due = np.flatnonzero(now - self._heard > self._silence).astype(np.int32)
        if len(due):
            await self._confirm(due)

    async def _confirm(self, due: Indices) -> None:
        nodes = [self._nodes[index] for index in due]
        known = np.array([node is not None for node in nodes])
        data = await self._client.read([node for node in nodes if node is not None])
        at = time.time_ns() + self._server_ahead
        self._heard[due], self._is_confirmed = time.monotonic(), True
        if known.any():
            self._put(self._columns.readings(due[known], data, at))
            self._note_vanished(due[known], data)
        if not known.all():
            self._put(nothing(due[~known], at))

    def _note_vanished(self, read: Indices, data: Sequence[Any]) -> None:
        # A server drops the monitored items of a node that it deletes, and does not say so.
        for index, each in zip(read.tolist(), data, strict=True):
            if not is_good(each) and each.StatusCode.name in _UNKNOWN:
                self._unmonitored.add(index)

    async def _monitor(self) -> None:
        """Try to monitor what is not, by the namespaces as they are now."""
        namespaces = await self._client.namespaces()
        wanted = []
        for index in sorted(self._unmonitored):
            self._nodes[index] = node = self._names[index].on(namespaces)
            if node is None:
                self._note(index, f"the server has no namespace {self._names[index].uri}")
            else:
                wanted.append(self._item(index, node))
        for item, got in zip(wanted, await self._client.monitor(wanted), strict=True):
            self._note(item.tag, got.fault or self._shortfall(got))
            if not got.fault:
                self._unmonitored.discard(item.tag)

    def _item(self, index: int, node: str) -> Item:
        tag, options = self._tags[index], self._options
        sampling_ms = options.sampling_of(tag) / 1e6
        return Item(index, node, sampling_ms, options.queue_of(tag), tag.deadband)

    def _shortfall(self, got: Revised) -> str:
        # A sampling interval of 0 means as fast as it changes: nothing to compare with.
        if 0 < got.queue_size * got.sampling_ms < self._options.publishing_interval / 1e6:
            return f"the server keeps {got.queue_size} changes only, so some will be lost"
        return ""

    def _note(self, index: int, fault: str) -> None:
        if fault != self._faults.get(index, ""):
            tag = list(self._options.tags)[index]
            if fault:
                log.warning("%s: %s: %s", self._name, tag, fault)
            else:
                log.info("%s: %s is monitored", self._name, tag)
        self._faults[index] = fault

    def _published(self, result: Any) -> None:
        # asyncua would log what is raised here, and go on.
        try:
            self._take(result.NotificationMessage, time.time_ns())
        except Exception as error:  # noqa: BLE001 - the reader must hear of it
            self._fail(error)

    def _take(self, message: Any, arrived: Nanos) -> None:
        self._published_at = time.monotonic()
        sent = seconds(message.PublishTime)
        self._server_ahead = self._ahead(sent, arrived)
        for part in message.NotificationData or ():
            if hasattr(part, "MonitoredItems"):
                batch = self._columns.changes(part.MonitoredItems, arrived)
                if self._is_confirmed:
                    self._heard[batch.tag] = self._published_at
                self._put(batch)
            elif hasattr(part, "Status"):
                raise SourceLost(f"the server ended the subscription ({part.Status.name})")

    def _ahead(self, sent: float, arrived: Nanos) -> Nanos:
        """How far the server's clock is ahead of ours, in ns: the clock of its confirmations."""
        if self._options.timestamp == "receive" or np.isnan(sent):
            return 0
        return round(sent * 1e6) * 1000 - arrived

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
