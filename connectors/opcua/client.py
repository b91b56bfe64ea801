"""A client with the read-only services of OPC UA.

Promises
- It uses sessions, subscriptions, monitored items, Read and Browse. Nothing here can write a value
  or call a method.
- A request that is too large for the server is split; nothing else is retried.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from connectors.opcua.connection import OpcUaConnection, value_in
from connectors.opcua.faults import is_too_much
from connectors.opcua.items import (
    ChildNode,
    GrantedSubscription,
    MonitorRequest,
    MonitorResult,
    lifetime_of,
)
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.quiet_client import SavedSession
from gateway.api.contracts import Places, SourceLost

KEEP_ALIVES, MOST_NOTIFICATIONS = 10, 10_000
"""Subscription settings: publishing intervals, and notifications for each publish response."""
_LIMITS = {"i=11705": "read", "i=11714": "monitor"}
"""The nodes of the server's limits for one request (MaxNodesPerRead, MaxMonitoredItemsPerCall)."""
Entry = TypeVar("Entry")


class OpcUaReadOnlyClient(OpcUaConnection):
    """A connection with the read-only services."""

    def __init__(
        self,
        options: OpcUaOptions,
        places: Places,
        lost: Callable[[str], None],
        saved_session: SavedSession | None = None,
    ) -> None:
        super().__init__(options, places, lost, saved_session)
        self._most = dict.fromkeys(_LIMITS.values(), options.batch)
        self.responded_at = 0.0

    async def connect(self) -> bool:
        """Connects as the base class does, and reads the server's limits for one request."""
        has_resumed = await super().connect()
        limits = [value_in(each) for each in await self.read([*_LIMITS])]
        for kind, most in zip(_LIMITS.values(), limits, strict=True):
            if isinstance(most, int) and 0 < most < self._most[kind]:
                self._most[kind] = most
        return has_resumed

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs by index."""
        with self._translating():
            return list(await self._client.get_namespace_array())

    async def children(self, node: str) -> list[ChildNode]:
        """The objects and variables directly below a node."""
        ua = self._ua
        wanted = ua.NodeClass.Object | ua.NodeClass.Variable
        with self._translating():
            below = await self._client.get_node(node).get_children_descriptions(
                nodeclassmask=wanted
            )
        return [
            ChildNode(
                child.NodeId.to_string(),
                child.BrowseName.Name or "",
                child.NodeClass == ua.NodeClass.Variable,
            )
            for child in below
        ]

    async def subscribe(self, interval_ms: float) -> GrantedSubscription:
        """Creates a subscription without items; SourceLost if the server refuses."""
        wanted = self._ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=lifetime_of(interval_ms, KEEP_ALIVES),
            RequestedMaxKeepAliveCount=KEEP_ALIVES,
            MaxNotificationsPerPublish=MOST_NOTIFICATIONS,
        )
        with self._translating():
            granted = await self._client.uaclient.create_subscription(wanted, _ignore)
        self._subscriptions.append(granted.SubscriptionId)
        interval = granted.RevisedPublishingInterval
        keep_alive = interval * granted.RevisedMaxKeepAliveCount / 1000
        return GrantedSubscription(granted.SubscriptionId, interval, keep_alive)

    async def monitor(
        self, subscription: int, items: Sequence[MonitorRequest]
    ) -> list[MonitorResult]:
        """Creates monitored items; notifications carry the tag's index as client handle."""
        ua = self._ua

        async def create(part: Sequence[MonitorRequest]) -> list[Any]:
            wanted = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(item) for item in part],
            )
            results: list[Any] = await self._client.uaclient.create_monitored_items(wanted)
            return results

        return [
            MonitorResult("", result.RevisedSamplingInterval, result.RevisedQueueSize)
            if result.StatusCode.is_good()
            else MonitorResult(result.StatusCode.name)
            for result in await self._in_parts("monitor", items, create)
        ]

    async def read(self, nodes: Sequence[str]) -> list[Any]:
        """The current DataValue of each node."""

        async def read(part: Sequence[str]) -> list[Any]:
            values: list[Any] = await self._client.uaclient.read(self._to_read(part))
            return values

        return await self._in_parts("read", nodes, read)

    async def publish(self, taken: Sequence[tuple[int, int]]) -> Any:
        """Waits for the next publish response; `taken` holds the subscription and number of each
        message to acknowledge.

        Has no time-out: the caller must notice that nothing comes.
        """
        acks = [
            self._ua.SubscriptionAcknowledgement(SubscriptionId=sub, SequenceNumber=number)
            for sub, number in taken
        ]
        with self._translating():
            response = await self._client.uaclient.publish(acks)
            response.ResponseHeader.ServiceResult.check()
        return response.Parameters

    async def republish(self, subscription: int, number: int) -> Any:
        """A notification message again; None if the server no longer has it."""
        try:
            with self._translating():
                message = await self._client.uaclient.session.republish(subscription, number)
        except SourceLost as lost:
            if type(lost.__cause__).__name__ in ("BadMessageNotAvailable", "BadServiceUnsupported"):
                return None
            raise
        return message if message.SequenceNumber == number and message.NotificationData else None

    async def _in_parts(
        self,
        kind: str,
        entries: Sequence[Entry],
        send: Callable[[Sequence[Entry]], Awaitable[list[Any]]],
    ) -> list[Any]:
        """The results for all entries, requested in parts within the server's limits."""
        results: list[Any] = []
        while len(results) < len(entries):
            part = entries[len(results) : len(results) + self._most[kind]]
            try:
                with self._translating():
                    received = await send(part)
            except SourceLost as lost:
                if not is_too_much(lost) or len(part) == 1:
                    raise
                self._most[kind] = len(part) // 2
                continue
            self.responded_at = time.monotonic()
            if len(received) != len(part):
                raise SourceLost(
                    f"{self._where}: requested {len(part)} nodes, received {len(received)} results"
                )
            results += received
        return results

    def _request(self, item: MonitorRequest) -> Any:
        ua = self._ua
        parameters = ua.MonitoringParameters(
            ClientHandle=item.tag, SamplingInterval=item.sampling_ms, QueueSize=item.queue_size
        )
        if item.deadband is not None:
            parameters.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.DeadbandType.Absolute,
                DeadbandValue=item.deadband,
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=self._value_of(item.node),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )


@asynccontextmanager
async def connected(
    options: OpcUaOptions, places: Places, lost: Callable[[str], None]
) -> AsyncIterator[OpcUaReadOnlyClient]:
    """A session for as long as the context lasts; SourceLost on entry if there is none."""
    client = OpcUaReadOnlyClient(options, places, lost)
    try:
        await client.connect()
        yield client
    finally:
        await client.close()


def _ignore(_response: Any) -> None:
    """Ignores publish responses here: `publish` returns them."""
