"""One session: a subscription to all tags, and reads of those that are silent.

Promises
- Columns are handed over as they come, one batch for everything that arrived together.
- A tag that was silent for its period is read; a bad node is tried again after 2, 4, 8 ... 60 s
  and is BAD meanwhile.
- No publish response within three keep-alives, or no answer to a read, ends the session.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from connectors.opcua.client import translated
from connectors.opcua.columns import Columns
from connectors.opcua.nodes import resolve
from connectors.opcua.options import OpcUaOptions
from gateway.contracts import SourceLost
from gateway.model import SECOND, SampleBatch, Tag

KEEP_ALIVE = 10
"""Publishing intervals without news after which the server says that it lives."""
FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0
_GONE = ("BadNodeIdUnknown", "BadNodeIdInvalid")

_Item = TypeVar("_Item")


class Session:
    """A subscription on a connected client; `batches` runs until the server is lost."""

    def __init__(self, client: Any, options: OpcUaOptions, tags: Sequence[Tag]) -> None:
        self.bad: dict[int, str] = {}
        self.unreadable: dict[int, str] = {}
        self._client, self._options = client, options
        self._wanted = list(options.tags.values())
        self._periods = [tag.period / SECOND for tag in tags]
        self._columns = Columns(tags, options.timestamp)
        self._seen = [0.0] * len(tags)
        self._retry_at: dict[int, float] = {}
        self._retry_after: dict[int, float] = {}
        self._nodes: list[Any] = []
        self._subscription = 0
        self._news = asyncio.Event()
        self._published = time.monotonic()
        self._ended = ""

    async def start(self) -> None:
        """Subscribe to every tag; SourceLost if the server does not take part."""
        from asyncua import ua

        async with translated(self._options.url):
            self._nodes = await resolve(self._client, self._wanted)
            parameters = ua.CreateSubscriptionParameters()
            parameters.RequestedPublishingInterval = self._options.publishing_interval / 1e6
            parameters.RequestedMaxKeepAliveCount = KEEP_ALIVE
            parameters.RequestedLifetimeCount = 6 * KEEP_ALIVE
            parameters.MaxNotificationsPerPublish = 10_000
            parameters.PublishingEnabled = True
            result = await self._client.uaclient.create_subscription(parameters, self._on_publish)
            self._subscription = result.SubscriptionId
            self._patience = 3 * KEEP_ALIVE * result.RevisedPublishingInterval / 1000
            await self._monitor(range(len(self._nodes)))

    async def _monitor(self, tags: Sequence[int]) -> None:
        """Create monitored items; what the server refuses is bad, and tried again later."""
        from asyncua import ua

        for number in tags:
            if self._nodes[number] is None:
                self._mark_bad(number, "the server has no such namespace")
        known = [number for number in tags if self._nodes[number] is not None]
        for some in _chunks(known, self._options.items_per_request):
            parameters = ua.CreateMonitoredItemsParameters()
            parameters.SubscriptionId = self._subscription
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            parameters.ItemsToCreate = [self._item(number) for number in some]
            results = await self._client.uaclient.create_monitored_items(parameters)
            for number, result in zip(some, results, strict=True):
                if result.StatusCode.is_good():
                    self._mark_good(number)
                else:
                    self._mark_bad(number, result.StatusCode.name)

    def _item(self, number: int) -> Any:
        from asyncua import ua

        tag = self._wanted[number]
        interval = tag.sampling_interval
        wanted = ua.MonitoringParameters()
        wanted.ClientHandle = number
        wanted.SamplingInterval = (
            interval / 1e6 if interval is not None else self._periods[number] * 1000
        )
        wanted.QueueSize = tag.queue_size
        wanted.DiscardOldest = True
        if tag.deadband is not None:
            wanted.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.DeadbandType.Absolute,
                DeadbandValue=tag.deadband,
            )
        request = ua.MonitoredItemCreateRequest()
        request.ItemToMonitor = self._read_value_id(number)
        request.MonitoringMode = ua.MonitoringMode.Reporting
        request.RequestedParameters = wanted
        return request

    def _read_value_id(self, number: int) -> Any:
        from asyncua import ua
        from asyncua.ua.attribute_ids import AttributeIds

        return ua.ReadValueId(NodeId=self._nodes[number], AttributeId=AttributeIds.Value)

    def _mark_bad(self, number: int, why: str) -> None:
        after = min(2 * self._retry_after.get(number, FIRST_RETRY_S / 2), LONGEST_RETRY_S)
        self.bad[number] = why
        self._retry_after[number] = after
        self._retry_at[number] = time.monotonic() + after

    def _mark_good(self, number: int) -> None:
        for memory in (self.bad, self._retry_after, self._retry_at):
            memory.pop(number, None)

    async def _on_publish(self, result: Any) -> None:
        from asyncua import ua

        self._published, now = time.monotonic(), time.time_ns()
        self._columns.add_message()
        for part in result.NotificationMessage.NotificationData or ():
            if isinstance(part, ua.DataChangeNotification):
                for item in part.MonitoredItems:
                    self._columns.add(item.ClientHandle, item.Value, now)
                    self._seen[item.ClientHandle] = self._published
            elif isinstance(part, ua.StatusChangeNotification):
                self._end(f"the server ended the subscription: {part.Status.name}")
        if len(self._columns):
            self._news.set()

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._news.set()

    async def batches(self) -> AsyncGenerator[SampleBatch, None]:
        """Without end; SourceLost when the server is gone."""
        async with self._beating():
            while True:
                await self._news.wait()
                self._news.clear()
                if len(self._columns):
                    yield self._columns.take()
                if self._ended:
                    raise SourceLost(f"{self._options.url}: {self._ended}")

    @asynccontextmanager
    async def _beating(self) -> AsyncGenerator[None, None]:
        task = asyncio.create_task(self._heartbeat(), name="opcua.heartbeat")
        self._client.connection_lost_callback = self._on_lost
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _on_lost(self, error: Exception) -> None:
        self._end(f"connection lost: {error}")

    async def _heartbeat(self) -> None:
        """Read what is silent, retry what is bad, and notice when nobody answers."""
        beat = max(0.2, min(self._periods))
        try:
            while True:
                await asyncio.sleep(beat)
                async with translated(self._options.url):
                    async with asyncio.timeout(self._options.timeout / SECOND):
                        await self._beat(time.monotonic())
        except SourceLost as lost:
            self._end(str(lost).removeprefix(f"{self._options.url}: "))
        except Exception as error:  # noqa: BLE001 - whatever it is, the session must end with it
            self._end(f"{type(error).__name__}: {error}")

    async def _beat(self, now: float) -> None:
        if now - self._published > self._patience:
            self._end(f"the subscription was silent for {now - self._published:.0f} s")
            return
        due = [number for number, at in self._retry_at.items() if at <= now]
        if due:
            self._nodes = await resolve(self._client, self._wanted)
            await self._monitor(due)
        for number in self.bad:
            self._columns.add_bad(number, time.time_ns())
        silent = [
            number
            for number, (seen, period) in enumerate(zip(self._seen, self._periods, strict=True))
            if now - seen >= period and number not in self.bad
        ]
        for some in _chunks(silent, self._options.items_per_request):
            await self._read(some)
        if len(self._columns):
            self._news.set()

    async def _read(self, tags: Sequence[int]) -> None:
        """Ask for the value of silent tags: it is confirmed as of the server's time."""
        from asyncua import ua

        parameters = ua.ReadParameters()
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.NodesToRead = [self._read_value_id(number) for number in tags]
        answers = await self._client.uaclient.read(parameters)
        now, seen = time.time_ns(), time.monotonic()
        self._columns.add_message()
        for number, data in zip(tags, answers, strict=True):
            # The source's time is that of the last change; what is confirmed is confirmed now.
            data.SourceTimestamp = data.ServerTimestamp
            self._columns.add(number, data, now)
            self._seen[number] = seen
            self._judge(number, data.StatusCode)

    def _judge(self, number: int, status: Any) -> None:
        """A node that is gone needs a new monitored item when it is back."""
        if status is None or not status.is_bad():
            self.unreadable.pop(number, None)
            return
        self.unreadable[number] = status.name
        if status.name in _GONE:
            self._mark_bad(number, status.name)

    async def read_all(self) -> None:
        """Read every tag once; `bad` then names what cannot be read."""
        async with translated(self._options.url):
            self._nodes = await resolve(self._client, self._wanted)
            for number, node in enumerate(self._nodes):
                if node is None:
                    self._mark_bad(number, "the server has no such namespace")
            known = [number for number, node in enumerate(self._nodes) if node is not None]
            for some in _chunks(known, self._options.items_per_request):
                await self._read(some)


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
